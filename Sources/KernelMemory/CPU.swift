internal import CMachine

/// This CPU, while interrupts are off: the only way to per-CPU state. It cannot be stored, copied,
/// or taken out of `CPUs.with`, so no code can act on one CPU's state while it runs on another.
@safe
struct CPU: ~Copyable {
  let number: Int
  private let counters: Stable<CounterBlock>

  fileprivate init(number: Int, counters: Stable<CounterBlock>) {
    self.number = number
    self.counters = counters
  }

  /// Adds to one of this CPU's counters.
  @inline(__always)
  borrowing func count(_ counter: Counter, _ amount: Int = 1) {
    counters.value.add(UInt64(truncatingIfNeeded: amount), to: counter)
  }
}

/// All CPUs, with their counters.
@safe
struct CPUs {
  let count: Int
  private let counters: Stable<CounterBlock>

  init(count: Int, counters: Stable<CounterBlock>) {
    self.count = count
    self.counters = counters
  }

  /// Runs `body` on this CPU with interrupts off. Legal in any context but an NMI.
  @inline(__always)
  func with<Result: ~Copyable, Failure: Error>(
    _ body: (borrowing CPU) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let interrupts = cmachine_interrupts_disable()
    defer { cmachine_interrupts_restore(interrupts) }
    let number = Int(cmachine_cpu_number())
    precondition(number < count, "the CPU number is not below Machine.cpuCount")
    return try body(CPU(number: number, counters: counters[number]))
  }

  /// The sum of all CPUs' counters. O(CPUs).
  var snapshot: Counters {
    var sum = Counters()
    for number in 0..<count { counters[number].value.add(to: &sum) }
    return sum
  }
}
