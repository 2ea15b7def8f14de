import MachineSimulator
import Testing

@testable import KernelMemory

/// What `ScheduledCoreTests` does, for long: every room is validated after every run.
@Suite struct LongScheduleTests {
  static let modes: [FreeMode] = [.strict, .lazy, .warm]

  /// Two operations, at every step that orders a free.
  @Test(arguments: modes) func everyScheduleOfTwoFrees(mode: FreeMode) throws {
    var play = try Scenarios.twoFreesAtOnce(mode)
    play.validatesEach = 1
    let report = try play.exhaustive(at: .order, atMost: 20_000 * RandomTests.factor)
    print("two frees, \(mode): \(report)")
    #expect(report.schedules >= (mode == .warm ? 2 : 170))
  }

  /// Three operations, with at most three preemptions.
  @Test(arguments: modes) func threeOperations(mode: FreeMode) throws {
    var play = try Scenarios.threeOperations(mode)
    play.validatesEach = 1
    let few = StepSet(.entriesCleared, .flushRequested, .framesFreed)
    let report = try play.exhaustive(at: few, preemptions: 3, atMost: 10_000 * RandomTests.factor)
    print("three operations, \(mode): \(report)")
    #expect(report.schedules >= (mode == .warm ? 6 : 3_000))
  }

  @Test(arguments: RandomTests.seeds(40), modes) func randomSchedules(seed: UInt64, mode: FreeMode) throws {
    for part in 0..<UInt64(RandomTests.factor) {
      try RandomPlay.run(mode, cpuCount: 2 + Int(seed % 2), seed: seed << 16 + part, operations: 16)
    }
  }
}
