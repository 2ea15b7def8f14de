import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// Frames and pages that a caller names: what is nobody's, or the package's own, is not mapped and not
/// unmapped.
@Suite struct FrameOwnershipTests {
  private let test: TestMachine
  /// A frame that is the caller's.
  private let own: FrameNumber

  init() throws {
    test = try TestMachine(mode: .lazy)
    own = try test.manager.allocateFrames()
  }

  private func vmap(_ frames: [FrameNumber]) throws(MemoryError) -> UnsafeMutableRawPointer {
    try frames.withUnsafeBufferPointer { (buffer) throws(MemoryError) in try test.manager.vmap(buffer) }
  }

  private func map(_ frame: FrameNumber, _ count: UInt64 = 1) throws {
    try test.map(Pages.free, count, to: frame.rawValue)
  }

  /// Refused by `vmap`, alone and behind a frame that is the caller's, and by `map`, alone and in a run.
  private func expectNobodys(_ frame: FrameNumber, _ location: SourceLocation = #_sourceLocation) throws {
    test.expectRefused(.frameUnavailable(frame), location) { _ = try vmap([frame]) }
    test.expectRefused(.frameUnavailable(frame), location) { _ = try vmap([own, frame]) }
    test.expectRefused(.frameUnavailable(frame), location) { try map(frame) }
  }

  @Test func aFrameThatWasFreedIsNotMapped() throws {
    let frame = try test.manager.allocateFrames()
    try test.manager.freeFrames(frame)
    try expectNobodys(frame)
    // In the buddy lists, too, as a part of a larger block.
    try test.manager.flushRetired()
    try expectNobodys(frame)
  }

  @Test func theRootAndOtherTablesAreNotMapped() throws {
    try expectNobodys(test.manager.tables.root)
    let memory = try test.manager.vmalloc(4096)
    var tables: [FrameNumber] = []
    test.forEachTable { tables.append($0) }
    #expect(tables.count > 4)
    for table in [tables[1], tables[tables.count / 2], tables[tables.count - 1]] { try expectNobodys(table) }
    try test.manager.vfree(memory)
  }

  @Test func slabsAndRecordsAreNotMapped() throws {
    let object = try test.manager.kmalloc(64)
    let slab = try test.manager.physicalAddress(of: object).number(.size4K)
    try expectNobodys(slab)
    try test.manager.kfree(object)
    var records: [FrameNumber] = []
    for frame in 0..<UInt64(64 << 20) >> 12 {
      guard let state = test.manager.frames.table.metadata(of: FrameNumber(frame))?.value.state else {
        continue
      }
      if state.kind == .metadata { records.append(FrameNumber(frame)) }
    }
    #expect(records.count > 10)
    for frame in [records[0], records[records.count / 2], records[records.count - 1]] {
      try expectNobodys(frame)
    }
  }

  /// In all the stages of a free: kept mapped, behind the flush, free.
  @Test(arguments: [FreeMode.lazy, .warm]) func anAreasFrameIsItsCallersUntilItsFree(mode: FreeMode) throws {
    let test = try TestMachine(mode: mode)
    let memory = try test.manager.vmalloc(3 * 4096)
    let frame = try #require(test.manager.frame(at: VirtualAddress(memory + 8192)))
    try test.map(Pages.free, 1, to: frame.rawValue)
    try test.unmap(Pages.free, 1)
    try test.manager.vfree(memory)
    test.expectRefused(.frameUnavailable(frame)) { try test.map(Pages.free, 1, to: frame.rawValue) }
    try test.manager.flushRetired()
    test.expectRefused(.frameUnavailable(frame)) { try test.map(Pages.free, 1, to: frame.rawValue) }
  }

  /// Each frame of a block that was allocated whole, and memory of kmalloc that is whole frames.
  @Test func everyFrameOfABlockIsItsCallers() throws {
    let block = try test.manager.allocateFrames(order: 5)
    let frames = (0..<32).map { FrameNumber(block.rawValue + $0) }
    let window = try vmap(frames)
    try map(block, 32)
    try test.unmap(Pages.free, 32)
    try test.manager.vunmap(window)
    let large = try test.manager.kmalloc(64 << 10)
    let first = try test.manager.physicalAddress(of: large).number(.size4K)
    try map(FrameNumber(first.rawValue + 3), 13)
    try test.unmap(Pages.free, 13)
    try test.manager.kfree(large)
    try test.manager.freeFrames(block, order: 5)
    try test.manager.flushRetired()
    for frame in [frames[0], frames[1], frames[31]] { try expectNobodys(frame) }
    test.expectValid()
  }

  /// A run is looked at from end to end.
  @Test func oneFrameOfARunIsEnough() throws {
    let block = try test.manager.allocateFrames(order: 4)
    let behind = FrameNumber(block.rawValue + 16)
    let isFree = test.manager.frames.table.metadata(of: behind)?.value.state.kind != .allocated
    try #require(isFree)
    test.expectRefused(.frameUnavailable(behind)) { try map(block, 17) }
    test.expectRefused(.frameUnavailable(behind)) { try map(FrameNumber(block.rawValue + 7), 512) }
    try map(block, 16)
    try test.unmap(Pages.free, 16)
    try test.manager.freeFrames(block, order: 4)
  }

  /// Devices, and RAM that was kept back.
  @Test func whatTheManagerDoesNotHaveIsMapped() throws {
    let ram = RAMRegion(PhysicalAddress(0), byteCount: 16 << 20)
    let map = MemoryMap()
    try map.add(.usable, at: PhysicalAddress(0), byteCount: 16 << 20)
    try map.add(.kept, at: PhysicalAddress(4 << 20), byteCount: 64 << 10)
    let test = try TestMachine(ram: [ram], map: map)
    for (frame, count) in [(1024, 16), (0xfee00, 1), (4096, 1 << 18)] as [(UInt64, UInt64)] {
      try test.map(Pages.free, count, to: frame)
      try test.unmap(Pages.free, count)
    }
    test.expectRefused(.frameUnavailable(FrameNumber(1040))) { try test.map(Pages.free, 17, to: 1024) }
    test.expectRefused(.frameUnavailable(FrameNumber(4095))) { try test.map(Pages.free, 2, to: 4095) }
    test.expectValid()
  }

  @Test func theLinearMapIsNotUnmapped() throws {
    let root = test.manager.linearAddress(of: test.manager.tables.root)
    let page = root.number(.size4K)
    test.expectRefused(.memoryWindow(root)) { try test.unmap(page.rawValue, 1) }
    let first = test.simulated.linearMap.base
    let pages = UInt64(64 << 20) >> 12
    let start = first.number(.size4K).rawValue
    test.expectRefused(.memoryWindow(first)) { try test.unmap(start, pages) }
    test.expectRefused(.memoryWindow(first)) { try test.unmap(start - 3, 4) }
    test.expectRefused(.memoryWindow(first)) { try test.unmap(start - 3, pages + 6) }
    let last = PageNumber(start + pages - 1).address(.size4K)
    test.expectRefused(.memoryWindow(last)) { try test.unmap(start + pages - 1, 100) }
    try test.unmap(start - 3, 3)
    try test.unmap(start + pages, 100)
    #expect(test.manager.frame(at: root) == test.manager.tables.root)
  }

  /// A device lies between two pieces of RAM.
  @Test func aHoleOfTheLinearMapTakesWhatBelongsThere() throws {
    let device = FrameNumber(0x3000)
    let test = try TestMachine(ram: [
      RAMRegion(PhysicalAddress(0), byteCount: 32 << 20),
      RAMRegion(PhysicalAddress(128 << 20), byteCount: 16 << 20),
    ])
    let place = test.manager.linearAddress(of: device).number(.size4K)
    let first = place.address(.size4K)
    test.expectRefused(.memoryWindow(first)) { try test.map(place.rawValue, 2, to: 0xfee00) }
    test.expectRefused(.memoryWindow(first)) { try test.map(place.rawValue, 2, to: device.rawValue + 1) }
    try test.map(place.rawValue, 2, to: device.rawValue)
    #expect(test.manager.frame(at: first) == device)
    test.expectRefused(.memoryWindow(first)) { try test.unmap(place.rawValue, 2) }
    try test.manager.unmapMemory(FrameRange(from: device, upTo: FrameNumber(device.rawValue + 2)))
    #expect(test.manager.frame(at: first) == nil)
    test.expectValid()
  }

  /// By name, where nobody else may need it: the image of a kernel.
  @Test func keptMemoryIsTakenOutOfEveryWindow() throws {
    let simulated = try SimulatedMachine(ram: [RAMRegion(PhysicalAddress(0), byteCount: 16 << 20)])
    let map = MemoryMap()
    try map.add(.usable, at: PhysicalAddress(0), byteCount: 16 << 20)
    try map.add(.kept, at: PhysicalAddress(4 << 20), byteCount: 64 << 10)
    var bootstrap = try Bootstrap(
      memoryMap: map, window: simulated.linearMap, linearMap: simulated.linearMap,
      format: .x86_64(hasGigabyteLeaves: true))
    let second = LinearMap(
      base: VirtualAddress(0x4000_0000_0000), limit: simulated.linearMap.limit, pageSize: .size4K)
    try bootstrap.mapMemory(in: second)
    try simulated.loadRoot(bootstrap.root)
    let manager = try bootstrap.start(on: simulated.machine)
    let image = FrameRange(from: FrameNumber(1024), upTo: FrameNumber(1040))
    let pages = [simulated.linearMap, second].map {
      PageRange(
        unchecked: $0.virtualAddress(of: PhysicalAddress(4 << 20)).number(.size4K), count: image.count)
    }
    for page in pages {
      #expect(throws: MemoryError.memoryWindow(page.first.address(.size4K))) { try manager.unmap(page) }
    }
    #expect(throws: MemoryError.sizeIsZero) {
      try manager.unmapMemory(FrameRange(from: FrameNumber(9), upTo: FrameNumber(9)))
    }
    #expect(throws: MemoryError.frameUnavailable(FrameNumber(1040))) {
      try manager.unmapMemory(FrameRange(from: FrameNumber(1024), upTo: FrameNumber(1041)))
    }
    for page in pages { #expect(manager.frame(at: page.first.address(.size4K)) == image.first) }
    try manager.unmapMemory(image)
    for page in pages {
      #expect(manager.frame(at: page.first.address(.size4K)) == nil)
      #expect(manager.frame(at: PageNumber(page.end.rawValue - 1).address(.size4K)) == nil)
      #expect(manager.frame(at: PageNumber(page.first.rawValue - 1).address(.size4K)) == FrameNumber(1023))
      #expect(manager.frame(at: page.end.address(.size4K)) == FrameNumber(1040))
      // The place is no area's all the same.
      #expect(throws: MemoryError.areasUnavailable) { _ = try manager.makeAreas(page) }
    }
    // Again, and where no RAM is: nothing is there.
    try manager.unmapMemory(image)
    try manager.unmapMemory(FrameRange(from: FrameNumber(4096), upTo: FrameNumber(1 << 40)))
    #expect(manager.validate() == nil)
  }

  /// Its pages are somebody else's: here those where the linear map has the next frame each.
  @Test func aWindowThatWasRefusedIsNone() throws {
    let simulated = try SimulatedMachine(ram: [RAMRegion(PhysicalAddress(0), byteCount: 16 << 20)])
    let linear = simulated.linearMap
    let map = MemoryMap()
    try map.add(.usable, at: PhysicalAddress(0), byteCount: 16 << 20)
    try map.add(.kept, at: PhysicalAddress(4 << 20), byteCount: 64 << 10)
    var bootstrap = try Bootstrap(
      memoryMap: map, window: linear, linearMap: linear, format: .x86_64(hasGigabyteLeaves: true))
    let shifted = LinearMap(
      base: VirtualAddress(linear.base.rawValue + 4096), limit: linear.limit, pageSize: .size4K)
    #expect(throws: MemoryError.self) { try bootstrap.mapMemory(in: shifted) }
    try simulated.loadRoot(bootstrap.root)
    let manager = try bootstrap.start(on: simulated.machine)
    try manager.unmapMemory(FrameRange(from: FrameNumber(1024), upTo: FrameNumber(1040)))
    #expect(manager.frame(at: linear.virtualAddress(of: PhysicalAddress(1040 << 12))) == FrameNumber(1040))
    #expect(manager.frame(at: linear.virtualAddress(of: PhysicalAddress(1039 << 12))) == nil)
  }

  /// Before there is a manager: what will be handed out is not mapped by hand.
  @Test func memoryToHandOutIsNotMappedAtBoot() throws {
    let simulated = try SimulatedMachine(ram: [RAMRegion(PhysicalAddress(0), byteCount: 16 << 20)])
    let map = MemoryMap()
    try map.add(.usable, at: PhysicalAddress(0), byteCount: 16 << 20)
    try map.add(.kept, at: PhysicalAddress(4 << 20), byteCount: 64 << 10)
    var bootstrap = try Bootstrap(
      memoryMap: map, window: simulated.linearMap, linearMap: simulated.linearMap,
      format: .x86_64(hasGigabyteLeaves: true))
    let attributes = MappingAttributes(.readExecute)
    for (first, count, bad) in [(1024, 17, 1040), (1000, 1, 1000), (4000, 1000, 4000), (0, 2, 1)]
      as [(UInt64, UInt64, UInt64)]
    {
      #expect(throws: MemoryError.frameUnavailable(FrameNumber(bad))) {
        try bootstrap.map(PageRange(Pages.free, count), to: FrameNumber(first), attributes)
      }
    }
    try bootstrap.map(PageRange(Pages.free, 16), to: FrameNumber(1024), attributes)
    try bootstrap.map(PageRange(Pages.free + 1024, 1024), to: FrameNumber(4096), attributes)
  }

  @Test func thereAreSevenMoreWindows() throws {
    let simulated = try SimulatedMachine(ram: [.small])
    var bootstrap = try Bootstrap(on: simulated)
    func window(_ number: UInt64) -> LinearMap {
      LinearMap(
        base: VirtualAddress(0x4000_0000_0000 + number << 30), limit: simulated.linearMap.limit,
        pageSize: .size4K)
    }
    for number in UInt64(0)..<7 { try bootstrap.mapMemory(in: window(number)) }
    #expect(throws: MemoryError.linearMapUnusable(window(7).base)) {
      try bootstrap.mapMemory(in: window(7))
    }
  }

  /// RAM above the place where the window reaches the top of the address space.
  @Test func aWindowDoesNotWrap() throws {
    let simulated = try SimulatedMachine(ram: [
      RAMRegion(PhysicalAddress(0), byteCount: 16 << 20),
      RAMRegion(PhysicalAddress(512 << 20), byteCount: 16 << 20),
    ])
    var bootstrap = try Bootstrap(on: simulated)
    for base in [UInt64(0xffff_ffff_f000_0000), 0xffff_ffff_e000_0000] {
      let window = LinearMap(
        base: VirtualAddress(base), limit: simulated.linearMap.limit, pageSize: .size4K)
      let wrapped = VirtualAddress(base &+ 512 << 20)
      #expect(throws: MemoryError.notCanonical(wrapped)) { try bootstrap.mapMemory(in: window) }
    }
  }

  /// Where a window has a hole, the image and devices of a kernel do not lie either: they could not be
  /// unmapped, and `unmapMemory` of what belongs there would unmap them.
  @Test func theBootMapsNothingElseInAHoleOfAWindow() throws {
    let simulated = try SimulatedMachine(ram: [
      RAMRegion(PhysicalAddress(0), byteCount: 16 << 20),
      RAMRegion(PhysicalAddress(128 << 20), byteCount: 16 << 20),
    ])
    var bootstrap = try Bootstrap(on: simulated)
    let hole = simulated.linearMap.virtualAddress(of: PhysicalAddress(0x300_0000))
    let place = PageRange(hole.number(.size4K).rawValue, 2)
    let attributes = MappingAttributes(.readWrite, cache: .uncached)
    #expect(throws: MemoryError.memoryWindow(hole)) {
      try bootstrap.map(place, to: Pages.device, attributes)
    }
    try bootstrap.map(place, to: FrameNumber(0x3000), attributes)
  }
}
