import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct MMUAgreementTests {
  /// 270 tables, 10,800 addresses.
  @Test(arguments: RandomTests.seeds(3), TestFormat.ofCPUs)
  func randomTables(seed: UInt64, format: TestFormat) throws {
    var agreement = try MMUAgreement(seed: seed, format)
    try agreement.run(tables: 30, probesEach: 40)
    #expect(agreement.probes == 1200)
  }

  @Test(arguments: [TestFormat.fourLevels, .fiveLevels])
  func areasWithTheirGuards(format: TestFormat) throws {
    var agreement = try MMUAgreement(seed: 1, format)
    let manager = agreement.oracle.test.manager
    for protection in [Protection.readOnly, .readWrite, .readExecute, .writableExecutable] {
      for cache in [CacheType.writeBack, .writeCombining, .uncachedMinus, .uncached, .writeThrough] {
        var options = VmallocOptions()
        options.protection = protection
        options.cache = cache
        _ = try manager.vmalloc(3 * 4096, options)
      }
    }
    var pages: [UInt64] = []
    try manager.forEachArea { area in
      pages += area.pages.first.rawValue - 1...area.guardRange.end.rawValue
    }
    #expect(pages.count == 20 * 6)
    for page in pages { try agreement.probe(page) }
    var mapped: [MappedRange] = []
    manager.forEachMapping { mapped.append($0) }
    #expect(mapped.count { $0.pages.first >= TestMachine.vmallocStart } == 60)
  }

  @Test(arguments: [TestFormat.fourLevels, .fiveLevels])
  func theLinearMap(format: TestFormat) throws {
    var agreement = try MMUAgreement(seed: 1, format)
    let manager = agreement.oracle.test.manager
    // Most of its frames are free, and may be looked at all the same.
    agreement.oracle.test.simulated.isFrameFree = nil
    for frame in [UInt64(1), 511, 512, 513, 1500, 2047, 2048, 2049] {
      let address = manager.linearAddress(of: FrameNumber(frame))
      #expect(manager.frame(at: address) == (frame < 2048 ? FrameNumber(frame) : nil))
      try agreement.probe(address.rawValue >> 12)
    }
  }
}
