import Testing

@testable import TestSupport

@Suite struct AreasOracleTests {
  @Test(arguments: AreasOracle.shapes, RandomTests.seeds(2))
  func randomReservations(shape: AreasOracle.Shape, seed: UInt64) throws {
    var oracle = try AreasOracle(shape, seed: seed)
    try oracle.run(steps: 150)
  }
}
