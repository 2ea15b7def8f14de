import Testing

@testable import TestSupport

@Suite struct FramesOracleTests {
  @Test(arguments: RandomTests.seeds(3))
  func randomOperationsAgreeWithADictionary(seed: UInt64) throws {
    var oracle = try FramesOracle(seed: seed)
    try oracle.run(steps: 250)
  }
}
