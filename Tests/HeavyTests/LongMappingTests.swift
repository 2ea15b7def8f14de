import Testing

@testable import TestSupport

/// Random operations on page frames and on mappings, for long.
@Suite struct LongMappingTests {
  @Test(arguments: RandomTests.seeds(4))
  func frames(seed: UInt64) throws {
    var oracle = try FramesOracle(seed: 100 + seed)
    try oracle.run(steps: 3000 * RandomTests.factor)
  }

  @Test(arguments: RandomTests.seeds(4), TestFormat.allCases)
  func mappings(seed: UInt64, format: TestFormat) throws {
    var oracle = try MappingOracle(seed: 100 + seed, format)
    try oracle.run(steps: 1000 * RandomTests.factor, comparingEach: 1)
  }

  /// 6,000 tables, 720,000 addresses.
  @Test(arguments: RandomTests.seeds(4), TestFormat.ofCPUs)
  func bothWalkers(seed: UInt64, format: TestFormat) throws {
    var agreement = try MMUAgreement(seed: 100 + seed, format)
    try agreement.run(tables: 500 * RandomTests.factor, probesEach: 120)
  }
}
