import MachineSimulator
import Testing

@testable import TestSupport

@Suite struct VmallocOracleTests {
  @Test(arguments: RandomTests.seeds(1), [TestFormat.fourLevels, .fiveLevels])
  func randomOperations(seed: UInt64, format: TestFormat) throws {
    var oracle = try VmallocOracle(seed: format == .fourLevels ? seed : seed + 1, format: format)
    try oracle.run(steps: 80)
  }

  /// Memory is short most of the time.
  @Test(arguments: RandomTests.seeds(1))
  func randomOperationsInLittleMemory(seed: UInt64) throws {
    var limits = VmallocOracle.Limits()
    limits.pages = 200
    var oracle = try VmallocOracle(seed: seed, limits: limits, ram: 3 << 20)
    try oracle.run(steps: 100)
  }
}
