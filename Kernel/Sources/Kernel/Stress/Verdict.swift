import BareMetal
import KernelMemory

/// The last line of a run.
enum Verdict {
  /// Writes it: a run is good when it says so and the manager's invariants hold.
  static func write(
    _ isRight: Bool, _ manager: MemoryManager, to console: inout SerialPort
  ) -> ExitStatus {
    let problem = manager.validate()
    if let problem {
      console.write("an invariant of the manager does not hold: ")
      console.write(problem)
      console.newline()
    }
    let isGood = isRight && problem == nil
    console.write(isGood ? "verdict=pass\n" : "verdict=fail\n")
    return isGood ? .success : .jobFailed
  }
}

extension Verdict {
  /// Completes every free, so that the counters are those of all.
  static func flushRetired(_ manager: MemoryManager) {
    do throws(MemoryError) {
      try manager.flushRetired()
    } catch {
      panic { console in
        console.write("the frees that are under way cannot be completed: ")
        console.write(error)
      }
    }
  }
}

extension Processors {
  /// Flushes by kind, and the interrupts that asked other CPUs for them since the kernel began.
  static func writeFlushes(_ counters: Counters, to console: inout SerialPort) {
    console.write("flushes.page", equals: counters[.flushesOfPage])
    console.write("flushes.ranges", equals: counters[.flushesOfRanges])
    console.write("flushes.everything", equals: counters[.flushesOfAll])
    var sent: UInt64 = 0
    var taken: UInt64 = 0
    for number in 0..<count {
      guard let notifications = CPUBlock(number: number)?.notifications else { continue }
      sent += notifications.sent
      taken += notifications.taken
    }
    console.write("notifications.sent", equals: sent)
    console.write("notifications.taken", equals: taken)
  }
}
