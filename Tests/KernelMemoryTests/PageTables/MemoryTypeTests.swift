import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

private let uncachedTypes = [CacheType.writeCombining, .uncachedMinus, .uncached, .writeThrough]

/// Frames that change their memory type, on a machine whose cache answers write-back accesses alone, and
/// keeps what it holds until it is told, or evicts it at the worst moment.
@Suite struct MemoryTypeTests {
  private func test(_ mode: FreeMode = .lazy, ram: UInt64 = 16 << 20) throws -> TestMachine {
    try TestMachine(
      ram: [RAMRegion(PhysicalAddress(0), byteCount: ram)], mode: mode, hasIncoherentCache: true)
  }

  private func options(_ type: CacheType) -> VmallocOptions {
    var options = VmallocOptions()
    options.cache = type
    return options
  }

  private func words(_ pages: Int) -> [UInt64] { (0..<UInt64(pages)).map { $0 * 4096 + ($0 % 61) * 64 } }

  private func fill(_ pointer: UnsafeMutableRawPointer, _ pages: Int, _ value: UInt64, _ test: TestMachine)
    throws
  {
    for offset in words(pages) {
      try test.simulated.store(value &+ offset, at: VirtualAddress(pointer + Int(offset)))
    }
  }

  private func expect(
    _ pointer: UnsafeMutableRawPointer, _ pages: Int, _ value: UInt64?, _ test: TestMachine,
    _ location: SourceLocation = #_sourceLocation
  ) throws {
    for offset in words(pages) {
      let word = try test.simulated.load(UInt64.self, at: VirtualAddress(pointer + Int(offset)))
      #expect(word == value.map { $0 &+ offset } ?? 0, sourceLocation: location)
    }
  }

  /// The model itself: without cleaning, both ways of a line are wrong.
  @Test func theModelKeepsTheTwoWaysApart() throws {
    let test = try test()
    test.simulated.typeConflictsAreFaults = false
    let frame = try test.manager.allocateFrames()
    let linear = test.manager.linearAddress(of: frame)
    let machine = test.manager.machine
    machine.value.cleanMemory = nil
    try test.map(Pages.free, 1, to: frame.rawValue, MappingAttributes(.readWrite, cache: .uncached))
    let other = PageNumber(Pages.free).address(.size4K)
    try test.simulated.store(UInt64(1), at: linear)
    #expect(try test.simulated.load(UInt64.self, at: other) == 0)
    try test.simulated.store(UInt64(2), at: other)
    #expect(try test.simulated.load(UInt64.self, at: linear) == 1)
    // The dirty line overwrites memory.
    test.simulated.evictCaches()
    #expect(try test.simulated.load(UInt64.self, at: other) == 1)
    try test.simulated.store(UInt64(3), at: other)
    // A clean one hides it until it goes.
    #expect(try test.simulated.load(UInt64.self, at: linear) != 3)
    test.simulated.evictCaches()
    #expect(try test.simulated.load(UInt64.self, at: linear) == 3)
  }

  @Test(arguments: [CacheType.writeCombining, .uncached], [1, 3, 64, 65, 600])
  func clearedMemoryReadsZero(type: CacheType, pages: Int) throws {
    for mode in [FreeMode.strict, .lazy, .warm] {
      let test = try test(mode)
      for turn in UInt64(1)...3 {
        let memory = try test.manager.vzalloc(pages * 4096, options(type))
        try expect(memory, pages, nil, test)
        try fill(memory, pages, turn << 32, test)
        test.simulated.evictCaches()
        try expect(memory, pages, turn << 32, test)
        try test.manager.vfree(memory)
        if turn == 2 && mode != .strict { try test.manager.flushRetired() }
      }
      test.expectValid()
    }
  }

  /// What write-back areas have left in the cache does not come back over what is stored past it.
  @Test(arguments: [CacheType.uncachedMinus, .writeThrough], [1, 64, 65, 600])
  func noDirtyLineOverwritesAnUncachedStore(type: CacheType, pages: Int) throws {
    for mode in [FreeMode.strict, .lazy, .warm] {
      let test = try test(mode)
      var held: [UnsafeMutableRawPointer] = []
      while test.framesLeft > UInt64(pages) + 40 {
        held.append(try test.manager.vmalloc(pages * 4096))
        try fill(held[held.count - 1], pages, 77, test)
      }
      for pointer in held { try test.manager.vfree(pointer) }
      if mode != .strict { try test.manager.flushRetired() }
      for _ in 0..<2 {
        let memory = try test.manager.vmalloc(pages * 4096, options(type))
        try fill(memory, pages, 1 << 40, test)
        test.simulated.evictCaches()
        try expect(memory, pages, 1 << 40, test)
        try test.manager.vfree(memory)
      }
    }
  }

  /// Frames that come back are in no two states: what is read of them does not change by itself.
  @Test(arguments: [FreeMode.strict, .lazy, .warm], [1, 3, 64, 65, 600])
  func whatComesBackReadsTheSameTwice(mode: FreeMode, pages: Int) throws {
    let test = try test(mode, ram: 8 << 20)
    let memory = try test.manager.vmalloc(pages * 4096, options(.uncached))
    var addresses: [VirtualAddress] = []
    test.manager.tables.visit(test.manager.area(containing: VirtualAddress(memory))!.pages) { leaf in
      for frame in leaf.frame.rawValue..<leaf.frame.rawValue + leaf.pages.count.rawValue {
        addresses.append(test.manager.linearAddress(of: FrameNumber(frame)))
      }
    }
    try fill(memory, pages, 5 << 32, test)
    try test.manager.vfree(memory)
    if mode != .strict { try test.manager.flushRetired() }
    test.simulated.isFrameFree = nil
    for (page, address) in addresses.enumerated() {
      let word = VirtualAddress(address.rawValue + words(pages)[page] % 4096)
      let before = try test.simulated.load(UInt64.self, at: word)
      #expect(before == 5 << 32 &+ words(pages)[page])
    }
    test.expectValid()
  }

  @Test(arguments: uncachedTypes, [1, 70])
  func borrowedFramesTakeTheirContentsAlong(type: CacheType, count: Int) throws {
    for mode in [FreeMode.strict, .lazy, .warm] {
      let test = try test(mode)
      let frames = try (0..<count).map { _ in try test.manager.allocateFrames() }
      for turn in UInt64(1)...2 {
        for frame in frames { try test.simulated.store(turn, at: test.manager.linearAddress(of: frame)) }
        let window = try frames.withUnsafeBufferPointer { try test.manager.vmap($0, cache: type) }
        for page in 0..<count {
          let address = VirtualAddress(window + page * 4096)
          #expect(try test.simulated.load(UInt64.self, at: address) == turn)
          try test.simulated.store(turn + 10 + UInt64(page), at: address)
        }
        test.simulated.evictCaches()
        for page in 0..<count {
          let address = VirtualAddress(window + page * 4096)
          #expect(try test.simulated.load(UInt64.self, at: address) == turn + 10 + UInt64(page))
          try test.simulated.store(turn + 20 + UInt64(page), at: address)
        }
        try test.manager.vunmap(window)
        for (page, frame) in frames.enumerated() {
          let there = try test.simulated.load(UInt64.self, at: test.manager.linearAddress(of: frame))
          #expect(there == turn + 20 + UInt64(page))
        }
      }
      test.expectValid()
    }
  }

  /// A window made by hand, unmapped in two parts; and a device, which no cache has.
  @Test(arguments: uncachedTypes) func soDoFramesThatAreMappedByHand(type: CacheType) throws {
    let test = try test()
    let block = try test.manager.allocateFrames(order: 9)
    let linear = test.manager.linearAddress(of: block)
    let attributes = MappingAttributes(.readWrite, cache: type)
    for place in [0, 511] as [UInt64] {
      try test.simulated.store(place + 1, at: VirtualAddress(linear.rawValue + place << 12))
    }
    try test.map(Pages.free, 512, to: block.rawValue, attributes)
    try test.map(Pages.free + 1024, 1024, to: Pages.device.rawValue, attributes)
    for place in [0, 511] as [UInt64] {
      let address = PageNumber(Pages.free + place).address(.size4K)
      #expect(try test.simulated.load(UInt64.self, at: address) == place + 1)
      try test.simulated.store(place + 9, at: address)
    }
    try test.unmap(Pages.free, 100)
    #expect(try test.simulated.load(UInt64.self, at: linear) == 9)
    try test.unmap(Pages.free - 5, 2048)
    #expect(try test.simulated.load(UInt64.self, at: VirtualAddress(linear.rawValue + 511 << 12)) == 520)
    test.expectValid()
  }

  /// The copy reads by way of the linear map.
  @Test(arguments: [1, 100]) func anUncachedAreaIsReallocatedWithItsContents(pages: Int) throws {
    let test = try test()
    let memory = try test.manager.vmalloc(pages * 4096, options(.uncached))
    try fill(memory, pages, 1 << 33, test)
    let larger = try test.manager.kvrealloc(memory, (pages + 40) * 4096)
    try expect(larger, pages, 1 << 33, test)
    try test.manager.kvfree(larger)
    test.expectValid()
  }

  /// What one tag has written is another's neither through the cache nor past it.
  @Test(arguments: [FreeMode.lazy, .warm]) func contentsAreClearedInMemory(mode: FreeMode) throws {
    let test = try TestMachine(
      ram: [.small], mode: mode, hardening: .hardened(secret: 0x1234_5678), hasIncoherentCache: true)
    var other = options(.uncached)
    other.tag = try test.manager.makeTag(named: "other")
    for _ in 0..<2 {
      let secret = try test.manager.vmalloc(3 * 4096, options(.uncached))
      try fill(secret, 3, 99, test)
      try test.manager.vfree(secret)
      let memory = try test.manager.vmalloc(3 * 4096, other)
      try expect(memory, 3, nil, test)
      try test.manager.vfree(memory)
    }
  }

  /// Nothing is cleaned for areas and mappings that are write-back, and nothing twice for the others.
  @Test func onlyFramesThatChangeAreCleaned() throws {
    let test = try test(.warm)
    var pointers: [UnsafeMutableRawPointer] = []
    for pages in [1, 3, 64, 65, 600] {
      pointers.append(try test.manager.vzalloc(pages * 4096))
      pointers.append(try test.manager.vmalloc(pages * 4096))
    }
    for pointer in pointers { try test.manager.vfree(pointer) }
    let frame = try test.manager.allocateFrames()
    try test.manager.vunmap(try [frame].withUnsafeBufferPointer { try test.manager.vmap($0) })
    try test.map(Pages.free, 1, to: frame.rawValue)
    try test.unmap(Pages.free, 1)
    try test.manager.flushRetired()
    #expect(test.simulated.counters.cleanedPages == 0)
    let memory = try test.manager.vmalloc(64 * 4096, options(.uncached))
    #expect(test.simulated.counters.cleanedPages == 64)
    try test.manager.vfree(memory)
    // Kept mapped, and handed out as it is.
    #expect(try test.manager.vmalloc(64 * 4096, options(.uncached)) == memory)
    #expect(test.simulated.counters.cleanedPages == 64)
    try test.manager.vfree(memory)
    try test.manager.flushRetired()
    #expect(test.simulated.counters.cleanedPages == 128)
    let large = try test.manager.vmalloc(600 * 4096, options(.uncached))
    try test.manager.vfree(large)
    try test.manager.flushRetired()
    #expect(test.simulated.counters.cleanedPages == 128 + 1200)
  }

  /// A device in a hole of the linear map comes and goes: its registers are in no cache.
  @Test func aDeviceInAHoleIsNotCleaned() throws {
    let test = try TestMachine(
      ram: [
        RAMRegion(PhysicalAddress(0), byteCount: 32 << 20),
        RAMRegion(PhysicalAddress(128 << 20), byteCount: 16 << 20),
      ], hasIncoherentCache: true)
    let device = FrameNumber(0x3000)
    let place = test.manager.linearAddress(of: device).number(.size4K)
    let before = test.simulated.counters.cleanedPages
    try test.map(place.rawValue, 2, to: device.rawValue, MappingAttributes(.readWrite, cache: .uncached))
    try test.map(Pages.free, 2, to: device.rawValue, MappingAttributes(.readWrite, cache: .uncached))
    #expect(test.simulated.counters.cleanedPages == before)
    try test.manager.unmapMemory(FrameRange(from: device, upTo: FrameNumber(device.rawValue + 2)))
    try test.unmap(Pages.free, 2)
    #expect(test.simulated.counters.cleanedPages == before)
    test.expectValid()
  }

  /// What was stored by the linear map before it lost the memory is there by a mapping of another type.
  @Test func keptMemoryIsCleanedBeforeItLeavesTheWindows() throws {
    let simulated = try SimulatedMachine(ram: [RAMRegion(PhysicalAddress(0), byteCount: 16 << 20)])
    simulated.hasIncoherentCache = true
    simulated.typeConflictsAreFaults = true
    let map = MemoryMap()
    try map.add(.usable, at: PhysicalAddress(0), byteCount: 16 << 20)
    try map.add(.kept, at: PhysicalAddress(4 << 20), byteCount: 64 << 10)
    let bootstrap = try Bootstrap(
      memoryMap: map, window: simulated.linearMap, linearMap: simulated.linearMap,
      format: .x86_64(hasGigabyteLeaves: true))
    try simulated.loadRoot(bootstrap.root)
    let manager = try bootstrap.start(on: simulated.machine)
    let kept = FrameRange(from: FrameNumber(1024), upTo: FrameNumber(1040))
    let linear = simulated.linearMap.virtualAddress(of: PhysicalAddress(4 << 20))
    let other = PageNumber(Pages.free).address(.size4K)
    // Its frame has been reached in the other way before, so that the model keeps the two apart.
    try manager.map(
      PageRange(Pages.free, 16), to: kept.first, MappingAttributes(.readWrite, cache: .uncached))
    try simulated.store(UInt64(3), at: other)
    try manager.unmap(PageRange(Pages.free, 16))
    try simulated.store(UInt64(7), at: linear)
    try manager.unmapMemory(kept)
    try manager.map(
      PageRange(Pages.free, 16), to: kept.first, MappingAttributes(.readWrite, cache: .uncached))
    #expect(try simulated.load(UInt64.self, at: other) == 7)
  }

  /// A page that is cleaned is a page of work, whether its area is cleared or taken apart.
  @Test func aStepCleansNoMoreThanItsBudget() throws {
    let test = try test()
    let areas = try (0..<8).map { _ in try test.manager.vmalloc(64 * 4096, options(.uncached)) }
    for area in areas { try test.manager.vfree(area) }
    var most: UInt64 = 0
    for _ in 0..<40 {
      let before = test.simulated.counters.cleanedPages
      test.manager.purge(budget: 96)
      most = max(most, test.simulated.counters.cleanedPages - before)
    }
    // The last area of a step is taken apart whole.
    #expect(most > 0 && most <= 96 + 64)
  }
}
