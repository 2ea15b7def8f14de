import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct AreasInstancesTests {
  private func makeModules(_ test: TestMachine, pages: UInt64 = 4096) throws -> ArenaID {
    try test.manager.makeAreas(PageRange(unchecked: TestMachine.moduleStart, count: PageCount(pages)))
  }

  @Test func instancesDoNotMix() throws {
    let test = try TestMachine(ram: [.small])
    let modules = try makeModules(test)
    var options = VmallocOptions()
    options.areas = modules
    let before = Snapshot(of: test.manager)
    let memory = try test.manager.vmalloc(5000)
    let module = try test.manager.vmalloc(6000, options)
    #expect(VirtualAddress(memory) == TestMachine.vmallocStart.address(.size4K))
    #expect(VirtualAddress(module) == TestMachine.moduleStart.address(.size4K))
    #expect(test.manager.area(containing: VirtualAddress(memory))?.areas == test.manager.vmallocAreas)
    #expect(test.manager.area(containing: VirtualAddress(module))?.areas == modules)
    try test.simulated.store(UInt64(1), at: VirtualAddress(memory))
    try test.simulated.store(UInt64(2), at: VirtualAddress(module))
    #expect(try test.simulated.load(at: VirtualAddress(memory)) == UInt64(1))
    test.expectValid()
    try test.manager.vfree(memory)
    #expect(try test.simulated.load(at: VirtualAddress(module)) == UInt64(2))
    try test.manager.vfree(module)
    Snapshot(of: test.manager).expectSameMemory(as: before)
    test.expectValid()
  }

  @Test func aListingGoesInstanceByInstanceAndUpward() throws {
    let test = try TestMachine(ram: [.small])
    var module = VmallocOptions()
    module.areas = try makeModules(test)
    let pointers = try [
      test.manager.vmalloc(1, module), test.manager.vmalloc(1), test.manager.vmalloc(1, module),
      test.manager.vmalloc(1),
    ]
    var listed: [VirtualAddress] = []
    try test.manager.forEachArea { listed.append($0.address) }
    #expect(listed == [1, 3, 0, 2].map { VirtualAddress(pointers[$0]) })
  }

  @Test func oneInstanceIsExhaustedAlone() throws {
    let test = try TestMachine(ram: [.small])
    var module = VmallocOptions()
    module.areas = try makeModules(test, pages: 4)
    _ = try test.manager.vmalloc(4096, module)
    _ = try test.manager.vmalloc(4096, module)
    test.expectRefused(.rangeExhausted(largestHole: .zero)) { _ = try test.manager.vmalloc(1, module) }
    _ = try test.manager.vmalloc(1)
  }

  @Test func rangesThatCannotBeManagedAreRefused() throws {
    let test = try TestMachine(ram: [.small])
    _ = try makeModules(test)
    let start = TestMachine.moduleStart.rawValue
    for (first, count) in [
      (start, 1), (start + 4095, 1), (start - 1, 2), (start - 1, 5000), (start + 8192, 0),
      (TestMachine.vmallocStart.rawValue + 1 << 33 - 1, 1), (TestMachine.vmallocStart.rawValue - 5, 3 << 32),
    ] as [(UInt64, UInt64)] {
      let range = try #require(PageRange(PageNumber(first), count: PageCount(count)))
      test.expectRefused(.areasUnavailable) { _ = try test.manager.makeAreas(range) }
    }
    // Neighbours are no overlap.
    _ = try test.manager.makeAreas(PageRange(unchecked: PageNumber(start - 1), count: PageCount(1)))
    _ = try test.manager.makeAreas(PageRange(unchecked: PageNumber(start + 4096), count: PageCount(1)))
  }

  @Test(
    arguments: [
      (1 << 35, 1), (1 << 35 - 1, 2), (1 << 52 - 1 << 35 - 1, 2), (1 << 52 - 1, 2), (1 << 52, 1),
      (1 << 63, 1),
      (0, 1 << 52), (.max, 0),
    ] as [(UInt64, UInt64)])
  func rangesOutsideTheAddressSpaceAreRefused(first: UInt64, count: UInt64) throws {
    let test = try TestMachine(ram: [.small])
    let range = try #require(PageRange(PageNumber(first), count: PageCount(count)))
    test.expectRefused(.notCanonical(PageNumber(first).address(.size4K))) {
      _ = try test.manager.makeAreas(range)
    }
  }

  /// A null pointer is never memory.
  @Test func pageZeroIsNotManaged() throws {
    let test = try TestMachine(ram: [.small])
    test.expectRefused(.areasUnavailable) {
      _ = try test.manager.makeAreas(PageRange(unchecked: PageNumber(0), count: PageCount(16)))
    }
  }

  /// An area handed out where something is mapped would write over its entries.
  @Test func aRangeInWhichSomethingIsMappedIsRefused() throws {
    let test = try TestMachine(ram: [.small])
    let linear = test.simulated.linearMap.base.number(.size4K)
    for (before, count) in [(0, 1), (1, 4096), (0, 512)] as [(UInt64, UInt64)] {
      let range = PageRange(unchecked: PageNumber(linear.rawValue + 5 - before), count: PageCount(count))
      var mapped: VirtualAddress?
      test.manager.forEachMapping { leaf in
        if leaf.pages.overlaps(range), mapped == nil { mapped = leaf.pages.first.address(.size4K) }
      }
      test.expectRefused(.alreadyMapped(try #require(mapped))) { _ = try test.manager.makeAreas(range) }
    }
  }

  @Test func thereAre255() throws {
    let test = try TestMachine(ram: [.small])
    #expect(ArenaTable.recordBytes <= 4_096)
    for number in 1..<UInt64(255) {
      let id = try test.manager.makeAreas(
        PageRange(unchecked: PageNumber(TestMachine.moduleStart.rawValue + number * 16), count: PageCount(16))
      )
      var options = VmallocOptions()
      options.areas = id
      let pointer = try test.manager.vmalloc(1, options)
      #expect(
        VirtualAddress(pointer).number(.size4K).rawValue == TestMachine.moduleStart.rawValue + number * 16)
    }
    test.expectRefused(.areasUnavailable) { _ = try makeModules(test, pages: 1) }
    test.expectValid()
  }
}
