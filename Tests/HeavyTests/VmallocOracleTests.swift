import KernelMemory
import MachineSimulator
import Testing

@testable import TestSupport

@Suite struct VmallocOracleTests {
  @Test(arguments: RandomTests.seeds(1), TestFormat.ofCPUs)
  func randomOperations(seed: UInt64, format: TestFormat) throws {
    let number = TestFormat.allCases.firstIndex(of: format) ?? 0
    var oracle = try VmallocOracle(seed: seed + UInt64(number), format: format)
    // Larger pages take longer to be read.
    try oracle.run(steps: format.pageSize == .size4K ? 80 : 30)
  }

  /// Memory is short most of the time.
  @Test(arguments: RandomTests.seeds(1))
  func randomOperationsInLittleMemory(seed: UInt64) throws {
    var limits = VmallocOracle.Limits()
    limits.pages = 200
    var oracle = try VmallocOracle(seed: seed, limits: limits, ram: 3 << 20)
    try oracle.run(steps: 100)
  }

  /// On two CPUs and on three, with areas of large leaves, areas that sleep, and borrowed frames.
  @Test(arguments: RandomTests.seeds(2), FreeMode.all)
  func randomOperationsOnSeveralCPUs(seed: UInt64, mode: FreeMode) throws {
    let limits = VmallocOracle.Limits(pages: 1100, areas: 30)
    var oracle = try VmallocOracle(seed: seed, limits: limits, mode: mode, cpuCount: 2 + Int(seed % 2))
    try oracle.run(steps: 1_000 * RandomTests.factor)
    print("woken in mode \(mode): \(oracle.woken)")
    try oracle.checkVariety()
  }

  /// The same, where one CPU has to have what another keeps.
  @Test(arguments: RandomTests.seeds(2), FreeMode.all)
  func randomOperationsOnSeveralCPUsInLittleMemory(seed: UInt64, mode: FreeMode) throws {
    let limits = VmallocOracle.Limits(pages: 1100, areas: 30)
    var oracle = try VmallocOracle(
      seed: seed, limits: limits, ram: 10 << 20, mode: mode, cpuCount: 2 + Int(seed % 2))
    try oracle.run(steps: 500 * RandomTests.factor)
    print("in mode \(mode): \(oracle.shortages) shortages, \(oracle.takenFromOthers) times what others kept")
    try oracle.checkShortage()
  }
}
