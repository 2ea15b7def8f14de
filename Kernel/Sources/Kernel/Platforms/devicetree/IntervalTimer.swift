import BareMetal

/// Waits by the counter of `TimeStamp`, which runs at the same rate on every CPU.
enum IntervalTimer {
  /// For at least that long.
  static func wait(microseconds: UInt32) {
    let start = TimeStamp.now
    let counts = (UInt64(microseconds) * Devices.countsPerSecond + 999_999) / 1_000_000
    while TimeStamp.now &- start <= counts { relax() }
  }
}
