import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

private let MiB: UInt64 = 1 << 20
private let GiB: UInt64 = 1 << 30

/// Building the first tables, and what the manager takes over from them.
@Suite struct BootstrapTests {
  @Test func aMapWithoutMemoryIsRefused() throws {
    let ram = [RAMRegion(PhysicalAddress(0), byteCount: 8 * MiB)]
    #expect(throws: MemoryError.earlyMemoryExhausted(PageCount(1))) {
      _ = try TestMachine(ram: ram, map: MemoryMap())
    }
    let reserved = MemoryMap()
    try reserved.add(.usable, at: PhysicalAddress(0), byteCount: 8 * MiB)
    try reserved.add(.reserved, at: PhysicalAddress(0), byteCount: .max)
    #expect(throws: MemoryError.earlyMemoryExhausted(PageCount(1))) {
      _ = try TestMachine(ram: ram, map: reserved)
    }
    let beyond = MemoryMap()
    try beyond.add(.usable, at: PhysicalAddress(16 * GiB), byteCount: GiB)
    #expect(throws: MemoryError.earlyMemoryExhausted(PageCount(1))) {
      _ = try TestMachine(ram: ram, map: beyond)
    }
  }

  @Test func aLinearMapOfAnotherPageSizeOrPlaceIsRefused() throws {
    let simulated = try SimulatedMachine(ram: [.small])
    let map = simulated.linearMap
    let larger = LinearMap(base: map.base, limit: map.limit, pageSize: .size16K)
    let shifted = LinearMap(
      base: VirtualAddress(map.base.rawValue + 8), limit: map.limit, pageSize: .size4K)
    for (window, linearMap) in [(larger, map), (map, larger), (shifted, map), (map, shifted)] {
      let base = window == map ? linearMap.base : window.base
      #expect(throws: MemoryError.linearMapUnusable(base)) {
        _ = try Bootstrap(
          memoryMap: simulated.memoryMap, window: window, linearMap: linearMap,
          format: .x86_64(hasGigabyteLeaves: true))
      }
    }
  }

  /// A page's address, but no place for the largest block.
  @Test(arguments: [4096, 1 << 20, 2 << 20, 3 << 20] as [UInt64])
  func aLinearMapThatNoBlockIsAlignedInSaysSo(distance: UInt64) throws {
    let simulated = try SimulatedMachine(ram: [.small])
    let map = simulated.linearMap
    let between = LinearMap(
      base: VirtualAddress(map.base.rawValue + distance), limit: map.limit, pageSize: .size4K)
    #expect(throws: MemoryError.linearMapMisaligned(between.base, multiple: 4 << 20)) {
      _ = try Bootstrap(
        memoryMap: simulated.memoryMap, window: map, linearMap: between,
        format: .x86_64(hasGigabyteLeaves: true))
    }
  }

  /// Where a bank of RAM begins: at zero, or so that it lies on both sides of an entry of every level
  /// and of a section of metadata.
  @Test(arguments: [0, 512 * GiB - 110 * 4096])
  func everySizeOfMachineStartsOrIsRefused(start: UInt64) throws {
    let largest: UInt64 = start == 0 ? 320 : 450
    var started: [UInt64] = []
    var refusals = Set<String>()
    for count in UInt64(1)...largest {
      do {
        // An edge inside a page now and then.
        let bank = RAMRegion(PhysicalAddress(start), byteCount: count * 4096 + count % 3)
        let test = try TestMachine(ram: [bank])
        started.append(count)
        test.expectValid()
        let taken = test.takeAllFrames()
        #expect(test.manager.usedFrames == test.manager.frames.managed)
        for frame in taken { try test.manager.freeFrames(FrameNumber(frame)) }
        test.expectValid()
      } catch let error as MemoryError {
        refusals.insert("\(error)".prefix { $0 != "(" }.description)
      }
    }
    let smallest = try #require(started.first, "no machine is large enough")
    #expect(started == Array(smallest...largest), "a larger machine was refused than one that starts")
    #expect(refusals == ["earlyMemoryExhausted", "tablesExhausted", "metadataExhausted"])
  }

  @Test func earlyMemoryLiesInTheWindow() throws {
    let simulated = try SimulatedMachine(ram: [RAMRegion(PhysicalAddress(0), byteCount: 64 * MiB)])
    let linearMap = simulated.linearMap
    func window(_ limit: UInt64) -> LinearMap {
      LinearMap(base: linearMap.base, limit: PhysicalAddress(limit), pageSize: .size4K)
    }
    for limit in [0, 4096, 8191] {
      #expect(throws: MemoryError.earlyMemoryExhausted(PageCount(1))) {
        _ = try Bootstrap(
          memoryMap: simulated.memoryMap, window: window(UInt64(limit)), linearMap: linearMap,
          format: .x86_64(hasGigabyteLeaves: true))
      }
    }
    let bootstrap = try Bootstrap(
      memoryMap: simulated.memoryMap, window: window(5 * MiB), linearMap: linearMap,
      format: .x86_64(hasGigabyteLeaves: true))
    #expect(bootstrap.root.rawValue < 5 * MiB)
    try simulated.loadRoot(bootstrap.root)
    let manager = try bootstrap.start(on: simulated.machine)
    #expect(manager.validate() == nil)
    #expect(manager.frames.managed == PageCount((64 * MiB) / 4096 - 1))
    // All that is in use lies in the window, but for what the manager has allocated since.
    var above = 0
    for frame in (5 * MiB) / 4096..<(64 * MiB) / 4096 {
      let kind = manager.frames.table.metadata(of: FrameNumber(frame))?.value.state.kind
      if kind != .free && kind != .tail && kind != .idle { above += 1 }
    }
    #expect(UInt64(above) <= manager.frames.ownMetadata.rawValue + manager.counters[.tablesMade])
  }

  @Test func aMappingThatEarlyMemoryCannotHoldLeavesNothingBehind() throws {
    let simulated = try SimulatedMachine(ram: [RAMRegion(PhysicalAddress(0), byteCount: 2 * MiB)])
    var bootstrap = try Bootstrap(on: simulated)
    try simulated.loadRoot(bootstrap.root)
    let place = PageNumber(1 << 30)
    // An odd frame, so that all leaves are small: 1024 tables for 4 MiB of entries.
    let pages = PageRange(unchecked: place, count: PageCount(1 << 19))
    #expect(throws: MemoryError.earlyMemoryExhausted(PageCount(1027))) {
      try bootstrap.map(pages, to: FrameNumber(1 << 20 + 1), MappingAttributes(.readWrite))
    }
    #expect(throws: MemoryError.notCanonical(VirtualAddress(1 << 47))) {
      let beyond = PageRange(unchecked: PageNumber(1 << 35), count: PageCount(1))
      try bootstrap.map(beyond, to: Pages.device, MappingAttributes(.readWrite))
    }
    try bootstrap.map(
      PageRange(unchecked: PageNumber(place.rawValue + 7), count: PageCount(1)), to: Pages.device,
      MappingAttributes(.readExecute))
    #expect(throws: MemoryError.alreadyMapped(VirtualAddress(place.rawValue << 12 + 7 << 12))) {
      try bootstrap.map(
        PageRange(unchecked: place, count: PageCount(8)), to: Pages.device, MappingAttributes(.readWrite))
    }
    let manager = try bootstrap.start(on: simulated.machine)
    #expect(manager.validate() == nil)
    #expect(manager.mapping(at: place.address(.size4K)) == nil)
    let mapping = try #require(manager.mapping(at: VirtualAddress(place.rawValue << 12 + 7 << 12)))
    #expect(mapping.frame == Pages.device)
    #expect(mapping.attributes == MappingAttributes(.readExecute))
  }

  @Test func tablesOfTheBootAreReturnedLikeAnyOther() throws {
    let simulated = try SimulatedMachine(ram: [.small])
    var bootstrap = try Bootstrap(on: simulated)
    let image = PageRange(Pages.free + 3, 700)
    try bootstrap.map(image, to: FrameNumber(1 << 20), MappingAttributes(.readExecute))
    try simulated.loadRoot(bootstrap.root)
    let manager = try bootstrap.start(on: simulated.machine)
    let used = manager.usedFrames.rawValue
    try manager.unmap(image)
    try manager.flushRetired()
    // Two tables of level 0, and the one above them; that below the root stays.
    #expect(manager.counters[.tablesReturned] == 3)
    #expect(manager.usedFrames.rawValue == used - 3)
    #expect(manager.validate() == nil)
  }
}
