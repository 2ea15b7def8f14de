import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// A manager with tables of another format than that of four levels.
@Suite struct FormatTests {
  @Test func theUsualRangeIsWhereLinuxHasIt() {
    let four = TestFormat.fourLevels.choice.defaultVmallocRange
    let five = TestFormat.fiveLevels.choice.defaultVmallocRange
    #expect(four.first.address(.size4K) == VirtualAddress(0xffff_c900_0000_0000))
    #expect(five.first.address(.size4K) == VirtualAddress(0xffa0_0000_0000_0000))
    // 32 TiB, before what Linux has behind it: ffd2000000000000.
    for range in [four, five] { #expect(range.count.bytes(.size4K) == 32 << 40) }
    #expect(five.end.address(.size4K) < VirtualAddress(0xffd2_0000_0000_0000))
  }

  @Test func aKernelThatSaysNothingHasTheUsualRange() throws {
    var hardware = Hardware()
    hardware.pagingLevels = 5
    let machine = try SimulatedMachine(
      ram: [RAMRegion(PhysicalAddress(0), byteCount: 64 << 20)], hardware: hardware)
    let bootstrap = try Bootstrap(
      memoryMap: machine.memoryMap, window: machine.linearMap, linearMap: machine.linearMap,
      format: .x86_64(levels: .five, hasGigabyteLeaves: true))
    #expect(bootstrap.addressBits == 57)
    try machine.loadRoot(bootstrap.root)
    let manager = try bootstrap.start(on: machine.machine, mode: .strict)
    let memory = VirtualAddress(try manager.vmalloc(10_000))
    #expect(memory == VirtualAddress(0xffa0_0000_0000_0000))
    try machine.store(UInt64(42), at: memory)
    #expect(try machine.load(UInt64.self, at: memory) == 42)
    #expect(throws: MemoryError.notCanonical(VirtualAddress(0x0100_0000_0000_0000))) {
      try manager.map(PageRange(1 << 44, 1), to: Pages.device, MappingAttributes(.readWrite))
    }
    #expect(manager.frame(at: VirtualAddress(0x0100_0000_0000_0000)) == nil)
    #expect(manager.frame(at: VirtualAddress(0x00ff_ffff_ffff_f000)) == nil)
    try manager.vfree(memory.pointer)
    #expect(manager.validate() == nil)
  }

  /// Free, asleep and back: the entries of areas in every format, in every mode.
  @Test(arguments: TestFormat.allCases, [FreeMode.strict, .lazy, .warm])
  func areasComeAndGo(format: TestFormat, mode: FreeMode) throws {
    let test = try TestMachine(vmallocPages: 1 << 20, format: format, mode: mode)
    let manager = test.manager
    let page = Int(format.pageSize.bytes)
    for round in 0..<40 {
      var areas: [(address: VirtualAddress, pages: Int)] = []
      for pages in [1, 3, 4, 70, 1] {
        let address = VirtualAddress(try manager.vmalloc(pages * page))
        areas.append((address, pages))
        var frames = Set<UInt64>()
        for index in 0..<pages {
          let place = VirtualAddress(address.rawValue + UInt64(index * page))
          let mapping = try #require(manager.mapping(at: place))
          #expect(mapping.attributes == MappingAttributes(.readWrite))
          #expect(manager.frame(at: place) == mapping.frame)
          #expect(frames.insert(mapping.frame.rawValue).inserted)
        }
        #expect(manager.frame(at: VirtualAddress(address.rawValue + UInt64(pages * page))) == nil)
      }
      for (address, _) in areas {
        try manager.vfree(address.pointer)
        if mode == .strict { #expect(manager.frame(at: address) == nil) }
      }
      if round % 10 == 9 { test.expectValid() }
    }
    try manager.flushRetired()
    test.expectValid()
    #expect(manager.counters[.areasFreed] == 200)
  }

  /// Each call says so, and changes nothing.
  @Test func typesOfMemoryThatDoNotExistAreRefused() throws {
    let test = try TestMachine.forMappings(format: .exemplar, ram: [.small])
    var frames: [FrameNumber] = []
    try test.manager.allocateFrames(count: 2) { frames.append($0) }
    for type in [CacheType.uncachedMinus, .writeThrough] {
      test.expectRefused(.cacheTypeUnavailable(type)) {
        try test.map(Pages.free, 1, to: Pages.device.rawValue, MappingAttributes(.readWrite, cache: type))
      }
      test.expectRefused(.cacheTypeUnavailable(type)) {
        var options = VmallocOptions()
        options.cache = type
        _ = try test.manager.vmalloc(1, options)
      }
      test.expectRefused(.cacheTypeUnavailable(type)) {
        _ = try frames.withUnsafeBufferPointer { try test.manager.vmap($0, cache: type) }
      }
    }
    var options = VmallocOptions()
    options.cache = .uncached
    let memory = VirtualAddress(try test.manager.vmalloc(1, options))
    #expect(test.manager.mapping(at: memory)?.attributes == MappingAttributes(.readWrite, cache: .uncached))
  }
}
