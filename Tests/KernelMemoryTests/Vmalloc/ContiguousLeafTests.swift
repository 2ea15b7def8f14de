import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// Areas whose leaves say that a group of them is one translation: AArch64's contiguous bit, Svnapot.
@Suite struct ContiguousLeafTests {
  private static let formats = TestFormat.ofCPUs.filter { $0.format.contiguousOrder > 0 }

  private func machine(_ format: TestFormat, _ mode: FreeMode = .lazy) throws -> TestMachine {
    try TestMachine(
      ram: [RAMRegion(PhysicalAddress(0), byteCount: 64 << 20)], format: format, mode: mode)
  }

  /// The walks that a CPU makes which has forgotten all, to read every page of an area.
  private func walks(_ test: TestMachine, _ address: UInt64, pages: UInt64) throws -> UInt64 {
    test.simulated.flushAll()
    let before = test.simulated.counters.walks
    for page in 0..<pages {
      let place = VirtualAddress(address + page * test.format.pageSize.bytes)
      _ = try test.simulated.load(at: place) as UInt64
    }
    return test.simulated.counters.walks - before
  }

  /// So many walks as groups, and each page has the frame that the manager says.
  @Test(arguments: formats, [FreeMode.strict, .lazy, .warm])
  func aGroupIsOneTranslation(format: TestFormat, mode: FreeMode) throws {
    let test = try machine(format, mode)
    let group = UInt64(1) << UInt64(format.format.contiguousOrder)
    let bytes = format.pageSize.bytes
    for round in 0..<3 {
      let memory = try test.manager.vmalloc(Int(2 * group * bytes))
      let address = VirtualAddress(memory).rawValue
      #expect(address & (group * bytes - 1) == 0)
      for page in 0..<2 * group {
        let place = VirtualAddress(address + page * bytes)
        try test.simulated.store(page ^ UInt64(round), at: place)
        let frame = try #require(test.manager.frame(at: place))
        let seen: UInt64 = try test.simulated.load(at: test.manager.linearAddress(of: frame))
        #expect(seen == page ^ UInt64(round))
        #expect(test.manager.mapping(at: place)?.frame == frame)
      }
      #expect(try walks(test, address, pages: 2 * group) == 2)
      test.expectValid()
      try test.manager.vfree(memory)
      try test.manager.flushRetired()
      test.expectValid()
    }
  }

  /// What begins elsewhere, is too short, or is asked for in base leaves.
  @Test(arguments: formats)
  func othersAreOneByOne(format: TestFormat) throws {
    let test = try machine(format)
    let group = UInt64(1) << UInt64(format.format.contiguousOrder)
    let bytes = format.pageSize.bytes
    func expectPages(_ memory: UnsafeMutableRawPointer, _ pages: UInt64) throws {
      #expect(try walks(test, VirtualAddress(memory).rawValue, pages: pages) == pages)
    }
    var options = VmallocOptions()
    options.leaves = .base
    try expectPages(try test.manager.vmalloc(Int(group * bytes), options), group)
    try expectPages(try test.manager.vmalloc(Int((group - 1) * bytes)), group - 1)
    options = VmallocOptions()
    let start = format.vmallocRange.first.address(format.pageSize).rawValue
    options.address = VirtualAddress(start + (9 * group + 1) * bytes)
    try expectPages(try test.manager.vmalloc(Int(group * bytes), options), group)
    test.expectValid()
  }

  /// What alignment would waste is left to areas where a range has no more than they take.
  @Test(arguments: formats)
  func aSmallRangeHoldsAsManyAreas(format: TestFormat) throws {
    let group = UInt64(1) << UInt64(format.format.contiguousOrder)
    let test = try TestMachine(vmallocPages: 3 * (group + 1), format: format, mode: .lazy)
    for _ in 0..<3 { _ = try test.manager.vmalloc(Int(group * format.pageSize.bytes)) }
    test.expectValid()
  }

  /// Where only places are left that do not fit.
  @Test(arguments: formats)
  func aPlaceElsewhereServes(format: TestFormat) throws {
    let group = UInt64(1) << UInt64(format.format.contiguousOrder)
    let test = try TestMachine(vmallocPages: group + group / 2, format: format, mode: .lazy)
    var options = VmallocOptions()
    options.guardPages = 0
    let first = try test.manager.vmalloc(Int(format.pageSize.bytes), options)
    let memory = try test.manager.vmalloc(Int(group * format.pageSize.bytes), options)
    #expect(VirtualAddress(memory).rawValue & (group * format.pageSize.bytes - 1) != 0)
    try test.manager.vfree(first)
    try test.manager.vfree(memory)
    test.expectValid()
  }
}
