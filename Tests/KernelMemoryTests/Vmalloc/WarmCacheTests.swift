import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct WarmCacheTests {
  @Test func aHitTouchesNoPageTable() throws {
    let test = try TestMachine(mode: .warm)
    let first = try test.manager.vmalloc(3 * 4096)
    try test.manager.vfree(first)
    let before = test.manager.counters
    let locks = test.manager.locks
    for _ in 0..<100 {
      let pointer = try test.manager.vmalloc(3 * 4096)
      #expect(pointer == first)
      try test.simulated.store(UInt64(1), at: VirtualAddress(pointer))
      try test.manager.vfree(pointer)
    }
    let work = test.manager.counters.since(before)
    #expect(work[.warmHits] == 100)
    #expect(work[.entriesWritten] + work[.entriesCleared] == 0)
    #expect(test.manager.locks == locks)
    test.expectValid()
  }

  @Test func aCachedAreaIsFree() throws {
    let test = try TestMachine(mode: .warm)
    let pointer = try test.manager.vmalloc(4096)
    let address = VirtualAddress(pointer)
    try test.manager.vfree(pointer)
    #expect(test.manager.area(containing: address) == nil)
    for offset in [0, 1, 4096] {
      #expect(throws: MemoryError.badFree(.alreadyFree)) { try test.manager.vfree(pointer + offset) }
    }
    #expect(test.manager.counters[.freesRefused] == 3)
  }

  @Test func onlyTheSameKindIsAHit() throws {
    let test = try TestMachine(mode: .warm)
    var options = VmallocOptions()
    try test.manager.vfree(try test.manager.vmalloc(4096))
    options.protection = .readOnly
    try test.manager.vfree(try test.manager.vmalloc(4096, options))
    options = VmallocOptions()
    options.guardPages = 2
    try test.manager.vfree(try test.manager.vmalloc(4096, options))
    options = VmallocOptions()
    options.cache = .uncached
    try test.manager.vfree(try test.manager.vmalloc(4096, options))
    options = VmallocOptions()
    options.alignment = 65_536
    try test.manager.vfree(try test.manager.vmalloc(4096, options))
    options = VmallocOptions()
    options.zone = .dma
    try test.manager.vfree(try test.manager.vmalloc(4096, options))
    #expect(test.manager.counters[.warmHits] == 0)
    let writable = try test.manager.vmalloc(4096, options)
    #expect(test.manager.counters[.warmHits] == 1)
    try test.simulated.store(UInt8(1), at: VirtualAddress(writable))
  }

  @Test func chargesWhoAsks() throws {
    let test = try TestMachine(mode: .warm)
    let (one, two) = (try test.manager.makeTag(named: "one"), try test.manager.makeTag(named: "two"))
    var options = VmallocOptions()
    options.tag = one
    try test.manager.vfree(try test.manager.vmalloc(8192, options))
    #expect(test.manager.usage(of: one).livePages == 0)
    options.tag = two
    let pointer = try test.manager.vmalloc(8192, options)
    #expect(test.manager.counters[.warmHits] == 1)
    #expect(test.manager.usage(of: two).livePages == 2)
    #expect(test.manager.area(containing: VirtualAddress(pointer))?.tag == two)
    try test.manager.vfree(pointer)
    #expect(test.manager.usage(of: two).livePages == 0)
  }

  @Test func vzallocClearsWhatItTakes() throws {
    let test = try TestMachine(mode: .warm)
    let dirty = try test.manager.vmalloc(4096)
    try test.simulated.store([UInt8](repeating: 0xa5, count: 4096), at: VirtualAddress(dirty))
    try test.manager.vfree(dirty)
    let clean = try test.manager.vzalloc(4096)
    #expect(clean == dirty)
    #expect(try test.simulated.load(byteCount: 4096, at: VirtualAddress(clean)).allSatisfy { $0 == 0 })
  }

  @Test func isBoundedInBytes() throws {
    let test = try TestMachine(mode: .warm)
    var live: [UnsafeMutableRawPointer] = []
    for _ in 0..<20 { live.append(try test.manager.vmalloc(64 * 4096)) }
    for pointer in live { try test.manager.vfree(pointer) }
    #expect(test.manager.counters[.warmCached] == 4)
    try test.manager.vfree(try test.manager.vmalloc(65 * 4096))
    #expect(test.manager.counters[.warmCached] == 4)
    test.expectValid()
  }

  @Test func agesInPurges() throws {
    let test = try TestMachine(mode: .warm)
    try test.manager.vfree(try test.manager.vmalloc(4096))
    var steps = 0
    while test.manager.counters[.warmEvicted] == 0 && steps < 10 {
      test.manager.purge()
      steps += 1
    }
    // One makes it old, the next takes it out.
    #expect(steps == 2)
    test.expectValid()
  }

  @Test func shrinksBeforeAnAllocationFails() throws {
    let test = try TestMachine(ram: [RAMRegion(PhysicalAddress(0), byteCount: 16 << 20)], mode: .warm)
    var cached: [UnsafeMutableRawPointer] = []
    for _ in 0..<4 { cached.append(try test.manager.vmalloc(64 * 4096)) }
    for pointer in cached { try test.manager.vfree(pointer) }
    let free = Int(test.manager.usage(of: .dma).free.rawValue)
    _ = try test.manager.vmalloc((free + 150) * 4096)
    #expect(test.manager.counters[.warmEvicted] > 0)
    test.expectValid()
  }
}
