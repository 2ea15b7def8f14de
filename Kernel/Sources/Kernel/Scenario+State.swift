import BareMetal
import CKernel
import KernelMemory

// What must be true of the kernel's start, and of its end.

extension Scenario {
  /// What `Bootstrap` took of the stack, from its first instruction to its last.
  static func reportStack() -> Never {
    var console = SerialPort.console
    console.write("start.stack.bytes", equals: unsafe Memory.stackUse)
    exit(.success)
  }
}

// MARK: - Stopping the other CPUs

extension Scenario {
  /// Counted by every CPU but the first.
  nonisolated(unsafe) private static var turns: UInt = 0

  /// The others count, with interrupts off, until this one has something to say. Then they must not go on.
  static func stopOthers(_ manager: MemoryManager) -> Never {
    Work.counting.begin()
    while unsafe kernel_load_word(&turns) < 1_000 { relax() }
    _ = LastWords.begin()
    let before = unsafe kernel_load_word(&turns)
    IntervalTimer.wait(microseconds: 50_000)
    let after = unsafe kernel_load_word(&turns)
    var console = SerialPort.console
    console.write("stopped.turns.before", equals: UInt64(before))
    console.write("stopped.turns.after", equals: UInt64(after))
    exit(before == after ? .success : .jobFailed)
  }

  static func count() -> Never {
    disableInterrupts()
    while true { unsafe kernel_add_word(&turns, 1) }
  }
}
