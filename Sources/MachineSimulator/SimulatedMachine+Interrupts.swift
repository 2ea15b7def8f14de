@unsafe @preconcurrency internal import CMachine  // its variables are one a thread
internal import Synchronization

// Interrupts between CPUs.
//
// A notified CPU has one interrupt pending, however often it was notified, as the interrupt request
// register of a local APIC keeps one bit a vector (SDM vol. 3A, 10.8.4). When it is taken is the business
// of whoever runs the CPUs: `Scheduler` chooses, `runFreely` takes it at the next step with interrupts
// on. Without either, one thread plays all CPUs in turn (`onCPU`); the others are idle then, and take
// it at once, unless the thread has left one in the middle of something with interrupts off.

extension SimulatedMachine {
  /// The CPU that the calling thread plays; zero where nothing else was said.
  @inlinable
  public static var currentCPU: Int { playedCPU() }

  @usableFromInline
  static func playedCPU() -> Int { Int(cmachine_cpu_number()) }

  /// Runs `body` with the calling thread playing `cpu`, its interrupts on.
  public func onCPU<Result>(_ cpu: Int, _ body: () throws -> Result) rethrows -> Result {
    let (before, interrupts) = (cmachine_cpu_number(), cmachine_interrupts_enabled)
    let wasLeft = leave(Int(before), withInterruptsOff: interrupts == 0)
    cmachine_set_cpu_number(UInt32(cpu))
    cmachine_interrupts_enabled = 1
    defer {
      _ = leave(Int(before), withInterruptsOff: wasLeft)
      cmachine_set_cpu_number(UInt32(truncatingIfNeeded: before))
      cmachine_interrupts_enabled = interrupts
    }
    return try body()
  }

  /// `Machine.notify`.
  func notify(_ cpu: Int) {
    guard cpus.indices.contains(cpu) else { stop("notify: there is no CPU \(cpu)") }
    // A request is to be seen before its interrupt.
    releaseStores()
    showEntries()
    callingCPU.countNotification()
    cpus[cpu].isNotified.store(true, ordering: .releasing)
    guard StepHandler.current == nil, cpu != Self.currentCPU, !cpus[cpu].isLeftWithInterruptsOff else {
      return
    }
    onCPU(cpu) { while isNotified(cpu) { takeInterrupt() } }
  }

  /// Notes how the thread leaves a CPU to play another one: with interrupts off it takes none, and those
  /// that come stay pending.
  /// - Returns: how it was left before.
  private func leave(_ cpu: Int, withInterruptsOff isOff: Bool) -> Bool {
    guard StepHandler.current == nil, cpus.indices.contains(cpu) else { return false }
    let before = cpus[cpu].isLeftWithInterruptsOff
    cpus[cpu].isLeftWithInterruptsOff = isOff
    return before
  }

  /// Whether a CPU has an interrupt pending.
  public func isNotified(_ cpu: Int) -> Bool { cpus[cpu].isNotified.load(ordering: .acquiring) }

  /// Takes the pending interrupt of the CPU that the calling thread plays: runs the handler with
  /// interrupts off. Nothing where none is pending.
  func takeInterrupt() {
    let cpu = callingCPU
    guard cpu.isNotified.exchange(false, ordering: .acquiringAndReleasing) else { return }
    cpu.countInterrupt()
    let interrupts = cmachine_interrupts_disable()
    onNotify?(Self.currentCPU)
    // Like IRET: no step, so that the interrupted step is still the one that this CPU is at.
    cmachine_interrupts_enabled = UInt32(interrupts)
  }

  /// The CPU that the calling thread plays.
  var callingCPU: SimulatedCPU {
    let number = Self.currentCPU
    guard cpus.indices.contains(number) else {
      stop("a thread plays CPU \(number) of a machine with \(cpus.count)")
    }
    return cpus[number]
  }
}
