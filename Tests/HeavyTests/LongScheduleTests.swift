import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// What `ScheduledCoreTests` does, for long: every room is validated after every run.
@Suite struct LongScheduleTests {
  /// Two operations, at every step that orders a free.
  @Test(arguments: FreeMode.all) func everyScheduleOfTwoFrees(mode: FreeMode) throws {
    var play = try Scenarios.twoFreesAtOnce(mode)
    play.validatesEach = 1
    let report = try play.exhaustive(at: .order, atMost: 20_000 * RandomTests.factor)
    print("two frees, \(mode): \(report)")
    #expect(report.schedules >= (mode == .warm ? 2 : 170))
  }

  /// Three operations, with at most three preemptions.
  @Test(arguments: FreeMode.all) func threeOperations(mode: FreeMode) throws {
    var play = try Scenarios.threeOperations(mode)
    play.validatesEach = 1
    let few = StepSet(.entriesCleared, .flushRequested, .framesFreed)
    let report = try play.exhaustive(at: few, preemptions: 3, atMost: 10_000 * RandomTests.factor)
    print("three operations, \(mode): \(report)")
    #expect(report.schedules >= (mode == .warm ? 6 : 3_000))
  }

  static let programs: [@Sendable (FreeMode) throws -> Play] = [
    Scenarios.pairAgainstForeignFree, Scenarios.twoFreesAtOnce, Scenarios.readerOfEmptiedTable,
    Scenarios.joiningLate, Scenarios.unmapAgainstMap, Scenarios.purgeAgainstFree, Scenarios.newTable,
    Scenarios.readerOfSplitLeaf, Scenarios.tableWithoutItsPages, Scenarios.largeLeafOverTable,
  ]

  /// On machines that do all that an architecture permits: at all steps, with at most two preemptions, and at
  /// random.
  @Test(arguments: programs.indices, Hostility.allCases)
  func hostileMachines(number: Int, hostility: Hostility) throws {
    for mode in FreeMode.all {
      let play = try hostility.play(mode, Self.programs[number])
      try play.exhaustive(at: .order, preemptions: 2, atMost: 600 * RandomTests.factor)
      try play.random(seeds: 0..<UInt64(60 * RandomTests.factor))
    }
  }

  /// Callers that are moved to other CPUs wherever that is possible.
  @Test(arguments: FreeMode.all) func movingCallers(mode: FreeMode) throws {
    var play = try Scenarios.movingCallers(mode)
    play.rules = { $0.migrations = 3 }
    try play.random(seeds: 0..<UInt64(300 * RandomTests.factor))
  }

  @Test(arguments: RandomTests.seeds(40), FreeMode.all) func randomSchedules(seed: UInt64, mode: FreeMode)
    throws
  {
    for part in 0..<UInt64(RandomTests.factor) {
      try RandomPlay.run(mode, cpuCount: 2 + Int(seed % 2), seed: seed << 16 + part, operations: 16)
    }
  }
}
