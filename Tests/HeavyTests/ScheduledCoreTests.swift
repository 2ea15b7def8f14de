import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// The core under every schedule of small programs, with a lower bound of how many there are: a program
/// that explores less than it did has lost its point.
@Suite struct ScheduledCoreTests {
  typealias Case = ScheduleCase

  @Test(arguments: Case.complete, FreeMode.all) func everySchedule(_ test: Case, mode: FreeMode) throws {
    try run(test, mode)
  }

  /// What is too much to exhaust: every schedule with so many preemptions.
  @Test(arguments: Case.bounded, FreeMode.all) func everyScheduleWithFewPreemptions(
    _ test: Case, mode: FreeMode
  ) throws {
    try run(test, mode)
  }

  @Test(arguments: Case.deep, FreeMode.all) func everyScheduleWithFiveLevels(_ test: Case, mode: FreeMode)
    throws
  {
    var hardware = Hardware()
    hardware.pagingLevels = 5
    try Stage.$hardware.withValue(hardware) { try run(test, mode) }
  }

  /// Where one CPU's flush reaches all, while it is on its way, too.
  @Test(arguments: Case.broadcasts, FreeMode.all) func everyScheduleWithBroadcasts(
    _ test: Case, mode: FreeMode
  ) throws {
    try run(test, mode, alsoAt: StepSet(.flushBegun))
  }

  @Test(arguments: RandomTests.seeds(40), FreeMode.all) func randomSchedulesWithBroadcasts(
    seed: UInt64, mode: FreeMode
  ) throws {
    try Stage.$hardware.withValue(.broadcasting) {
      try RandomPlay.run(mode, cpuCount: 2 + Int(seed % 2), seed: seed)
    }
  }

  /// Where a caller is moved to another CPU once, wherever that is possible.
  @Test(arguments: Case.moving, FreeMode.all) func everyScheduleWithAMove(_ test: Case, mode: FreeMode) throws
  {
    try run(test, mode)
  }

  @Test(arguments: Case.restless, FreeMode.all)
  func everyScheduleOfCallersThatNeverStay(_ test: Case, mode: FreeMode) throws { try run(test, mode) }

  /// With an NMI in the middle of the walk that serves flushes, as far as it may.
  @Test func aWalkerOfAFreedTable() throws {
    let play = try Scenarios.walkerOfFreedTable(.strict)
    let report = try play.exhaustive(at: .order, preemptions: 2, atMost: 2_000)
    print("walker of a freed table: \(report)")
    #expect(report.schedules >= 20)
  }

  private func run(_ test: Case, _ mode: FreeMode, alsoAt more: StepSet = StepSet()) throws {
    let report = try test.make(mode).exhaustive(
      at: test.points.union(more), preemptions: test.preemptions, atMost: 5000)
    print("\(test.name), \(mode): \(report)")
    #expect(report.isComplete)
    #expect(report.schedules >= test.schedules[Int(mode.rawValue)])
  }

  /// Three CPUs, random operations, at all steps. `VMALLOC_SEED=n` runs one seed alone.
  @Test(arguments: RandomTests.seeds(100), FreeMode.all) func randomSchedules(seed: UInt64, mode: FreeMode)
    throws
  {
    try RandomPlay.run(mode, cpuCount: 2 + Int(seed % 2), seed: seed)
  }
}
