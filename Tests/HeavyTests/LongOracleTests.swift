import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// The oracles of `KernelMemoryTests`, for long: every page is read at every step.
@Suite struct LongOracleTests {
  @Test(arguments: RandomTests.seeds(4))
  func vmallocAndFriends(seed: UInt64) throws {
    let limits = VmallocOracle.Limits(pages: 768, areas: 60, readsAll: true)
    var oracle = try VmallocOracle(seed: seed, limits: limits)
    try oracle.run(steps: 1000 * RandomTests.factor)
  }

  /// Memory is short most of the time.
  @Test(arguments: RandomTests.seeds(4))
  func vmallocAndFriendsInLittleMemory(seed: UInt64) throws {
    let limits = VmallocOracle.Limits(pages: 300, areas: 60, readsAll: true)
    var oracle = try VmallocOracle(seed: seed, limits: limits, ram: 4 << 20)
    try oracle.run(steps: 2000 * RandomTests.factor)
  }

  @Test(arguments: AreasOracle.shapes, RandomTests.seeds(4))
  func reservations(shape: AreasOracle.Shape, seed: UInt64) throws {
    var oracle = try AreasOracle(shape, seed: seed)
    try oracle.run(steps: 1000 * RandomTests.factor)
  }

  /// With every number of frames from none to all that an operation needs.
  @Test(arguments: NthFailure.allCases, [TestFormat.fourLevels, .fiveLevels])
  func everyShortageLeavesAllAsItWas(operation: NthFailure, format: TestFormat) throws {
    for left in 0...operation.needs(format).total + 2 { try operation.run(left: left, format) }
  }
}
