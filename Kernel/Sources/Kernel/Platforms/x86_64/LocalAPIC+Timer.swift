// The APIC's timer (Intel SDM vol. 3A, 12.5.4). It counts down at the rate of a bus that differs from
// machine to machine, so its rate is measured once, against the interval timer, which does not.

extension LocalAPIC {
  private enum Timer {
    static var masked: UInt32 { 1 << 16 }
    static var periodic: UInt32 { 1 << 17 }
    /// Divide configuration: by 16.
    static var divideBy16: UInt32 { 0b0011 }
  }

  /// Its counts in `microseconds`, at most 50,000, which pass meanwhile. The timer is stopped then.
  func timerCounts(in microseconds: UInt32) -> UInt32 {
    self[.divideConfiguration] = Timer.divideBy16
    self[.timer] = Timer.masked
    self[.initialCount] = .max
    IntervalTimer.wait(microseconds: microseconds)
    let left = self[.currentCount]
    stopTimer()
    return .max &- left
  }

  /// Raises `vector` on this CPU each time that `counts` have passed.
  func startTimer(counts: UInt32, vector: UInt8) {
    self[.divideConfiguration] = Timer.divideBy16
    self[.timer] = Timer.periodic | UInt32(vector)
    self[.initialCount] = max(1, counts)
  }

  func stopTimer() {
    self[.timer] = Timer.masked
    self[.initialCount] = 0
  }
}
