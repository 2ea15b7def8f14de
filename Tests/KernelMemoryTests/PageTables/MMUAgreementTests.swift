import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct MMUAgreementTests {
  /// 810 tables, 32,400 addresses.
  @Test(arguments: RandomTests.seeds(3), TestFormat.ofCPUs)
  func randomTables(seed: UInt64, format: TestFormat) throws {
    var agreement = try MMUAgreement(seed: seed, format)
    try agreement.run(tables: 30, probesEach: 40)
    #expect(agreement.probes == 1200)
  }

  @Test(arguments: TestFormat.ofCPUs)
  func areasWithTheirGuards(format: TestFormat) throws {
    var agreement = try MMUAgreement(seed: 1, format)
    let manager = agreement.oracle.test.manager
    for protection in [Protection.readOnly, .readWrite, .readExecute, .writableExecutable] {
      for cache in format.cacheTypes {
        var options = VmallocOptions()
        options.protection = protection
        options.cache = cache
        _ = try manager.vmalloc(3 * Int(format.pageSize.bytes), options)
      }
    }
    var pages: [UInt64] = []
    try manager.forEachArea { area in
      pages += area.pages.first.rawValue - 1...area.guardRange.end.rawValue
    }
    let areas = 4 * format.cacheTypes.count
    #expect(pages.count == areas * 6)
    for page in pages { try agreement.probe(page) }
    var mapped: [MappedRange] = []
    manager.forEachMapping { mapped.append($0) }
    #expect(mapped.count { format.vmallocRange.contains($0.pages.first) } == 3 * areas)
  }

  @Test(arguments: TestFormat.ofCPUs)
  func theLinearMap(format: TestFormat) throws {
    var agreement = try MMUAgreement(seed: 1, format)
    let manager = agreement.oracle.test.manager
    // Most of its frames are free, and may be looked at all the same.
    agreement.oracle.test.simulated.isFrameFree = nil
    let end = RAMRegion.small.byteCount >> UInt64(format.pageSize.shift)
    for frame in [1, end / 4 - 1, end / 4, end / 4 + 1, end * 3 / 4, end - 1, end, end + 1] {
      let address = manager.linearAddress(of: FrameNumber(frame))
      #expect(manager.frame(at: address) == (frame < end ? FrameNumber(frame) : nil))
      try agreement.probe(address.rawValue >> UInt64(format.pageSize.shift))
    }
  }
}
