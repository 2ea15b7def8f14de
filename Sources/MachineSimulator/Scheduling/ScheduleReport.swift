/// What runs have shown.
public struct ScheduleReport: Equatable, Sendable {
  public internal(set) var schedules = 0
  /// The steps of the longest run.
  public internal(set) var mostSteps = 0
  /// The choices of the run with the most of them: how often another CPU could have gone on.
  public internal(set) var mostChoices = 0
  /// Interrupts taken, in all runs together.
  public internal(set) var interrupts = 0
  /// How often two threads have changed CPUs, in all runs together.
  public internal(set) var migrations = 0
  /// Whether there are no other runs; random runs never say so.
  public internal(set) var isComplete = true

  mutating func add(_ run: ScheduledRun) {
    schedules += 1
    mostSteps = max(mostSteps, run.trace.entries.count)
    mostChoices = max(mostChoices, run.choiceCount)
    interrupts += run.interrupts
    migrations += run.migrations
  }
}

extension ScheduleReport: CustomStringConvertible {
  public var description: String {
    "\(schedules) schedules, at most \(mostSteps) steps and \(mostChoices) choices, \(interrupts) interrupts"
      + (isComplete ? "" : "; there are more")
  }
}

/// The steps of one run, in the order in which they were taken.
public struct ScheduleTrace: Equatable, Sendable {
  public struct Entry: Equatable, Sendable {
    public let cpu: Int
    public let step: Step
  }

  public internal(set) var entries: [Entry] = []
}

extension ScheduleTrace: CustomStringConvertible {
  /// A line for each stretch of one CPU; of a long run the last lines.
  public var description: String {
    var lines: [String] = []
    var last: Int?
    for entry in entries.suffix(400) {
      if entry.cpu == last {
        lines[lines.count - 1] += ", \(entry.step)"
      } else {
        lines.append("  CPU \(entry.cpu): \(entry.step)")
      }
      last = entry.cpu
    }
    return lines.joined(separator: "\n")
  }
}

/// A run that went wrong, with what it takes to see it again.
public struct ScheduleFailure: Error {
  public enum Cause: Sendable {
    /// Nobody can go on; where each CPU is.
    case deadlock([Step])
    /// More steps than `Scheduler.stepLimit`.
    case stepLimit
    /// What a CPU has thrown; `cpu` is nil where the program could not be made, or its check has thrown.
    case failed(cpu: Int?, any Error)
    /// A CPU has ended its program with interrupts off.
    case interruptsOff(cpu: Int)
    /// The same choices did not lead to the same steps: the program depends on something else.
    case notDeterministic
  }

  public let cause: Cause
  /// Of a random run.
  public let seed: UInt64?
  /// For `Scheduler.replay`.
  public let choices: [Int]
  public let trace: ScheduleTrace
}

extension ScheduleFailure: CustomStringConvertible {
  public var description: String {
    "\(cause)" + scheduleDescription(seed: seed, choices: choices, trace)
  }
}

func scheduleDescription(seed: UInt64?, choices: [Int], _ trace: ScheduleTrace) -> String {
  (seed.map { "; seed \($0)" } ?? "") + "; choices \(choices)\n\(trace)\n"
}
