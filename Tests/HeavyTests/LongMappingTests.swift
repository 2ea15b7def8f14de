import Testing

/// Random operations on page frames and on mappings, for long.
@Suite struct LongMappingTests {
  @Test(arguments: RandomTests.seeds(4))
  func frames(seed: UInt64) throws {
    var oracle = try FramesOracle(seed: 100 + seed)
    try oracle.run(steps: 3000 * RandomTests.factor)
  }

  @Test(arguments: RandomTests.seeds(4), [true, false])
  func mappings(seed: UInt64, largeLeaves: Bool) throws {
    var oracle = try MappingOracle(seed: 100 + seed, largeLeaves: largeLeaves)
    try oracle.run(steps: 1000 * RandomTests.factor, comparingEach: 1)
  }

  /// 4,000 tables, 480,000 addresses.
  @Test(arguments: RandomTests.seeds(4), [true, false])
  func bothWalkers(seed: UInt64, largeLeaves: Bool) throws {
    var agreement = try MMUAgreement(seed: 100 + seed, largeLeaves: largeLeaves)
    try agreement.run(tables: 500 * RandomTests.factor, probesEach: 120)
  }
}
