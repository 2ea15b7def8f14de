import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// The programs of `ScheduledCoreTests` on machines that do all that an architecture permits.
@Suite struct HostileScheduleTests {
  static let cases = ScheduleCase.complete + ScheduleCase.bounded

  /// A few schedules of each; `LongScheduleTests` plays more.
  @Test(arguments: cases, Hostility.allCases)
  func fewSchedules(_ test: ScheduleCase, hostility: Hostility) throws {
    for mode in FreeMode.all {
      let play = try hostility.play(mode, test.make)
      try play.exhaustive(at: test.points, preemptions: 1, atMost: 6)
      try play.random(seeds: 0..<2)
    }
  }
}
