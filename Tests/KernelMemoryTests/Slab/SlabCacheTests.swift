import MachineSimulator
import Synchronization
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct SlabCacheTests {
  private static let construct: SlabCache.Constructor = { object, context in
    context?.assumingMemoryBound(to: Int.self).pointee += 1
    object.initializeMemory(as: UInt64.self, repeating: 0xc0de, count: 5)
  }

  @Test(arguments: [false, true]) func theConstructorRunsOnceAnObject(checked: Bool) throws {
    let test = try TestMachine(hardening: checked ? .checked(secret: 0x1234_5678_9abc) : .none)
    let used = test.framesInUse
    let calls = UnsafeMutablePointer<Int>.allocate(capacity: 1)
    calls.initialize(to: 0)
    defer { calls.deallocate() }
    let cache = try test.manager.makeCache(
      named: "inodes", objectSize: 40, constructor: Self.construct, context: calls)
    for _ in 0..<5 {
      var objects: [UnsafeMutableRawPointer] = []
      for _ in 0..<300 { objects.append(try test.manager.allocate(from: cache)) }
      #expect(Set(objects).count == 300)
      for object in objects {
        for word in 0..<5 { #expect(object.load(fromByteOffset: word * 8, as: UInt64.self) == 0xc0de) }
        #expect(test.manager.ksize(of: object) == 40)
      }
      for object in objects { try test.manager.kfree(object) }
      test.expectValid()
    }
    let capacity = test.manager.slab.caches[Int(cache.number)].value.layout.capacity
    #expect(UInt64(calls.pointee) == test.manager.counters[.slabsMade] * UInt64(capacity))
    #expect(calls.pointee < 2_000, "objects are constructed again and again")
    try test.manager.destroy(cache)
    #expect(test.framesInUse == used)
  }

  @Test func usageAndDestruction() throws {
    let test = try TestMachine(cpuCount: 2)
    let tag = try test.manager.makeTag(named: "driver")
    let cache = try test.manager.makeCache(named: "requests", objectSize: 100, alignment: 64, tag: tag)
    #expect(try test.manager.usage(of: cache).objects == 0)
    var objects: [UnsafeMutableRawPointer] = []
    for _ in 0..<70 { objects.append(try test.manager.allocate(from: cache)) }
    #expect(objects.allSatisfy { UInt(bitPattern: $0) % 64 == 0 })
    let usage = try test.manager.usage(of: cache)
    #expect(usage.objects == 70 && usage.peakObjects >= 70)
    #expect(usage.slabs == 3 && usage.frames == PageCount(3))
    #expect(test.manager.usage(of: tag).liveBytes == 70 * 128)
    test.expectRefused(.cacheInUse(objects: 70)) { try test.manager.destroy(cache) }
    // Freed elsewhere: they lie in the other CPU's magazine.
    try test.onCPU(1) { for object in objects { try test.manager.kfree(object) } }
    #expect(try test.manager.usage(of: cache).objects == 0)
    try test.manager.destroy(cache)
    test.expectRefused(.cacheUnavailable) { try test.manager.destroy(cache) }
    test.expectRefused(.cacheUnavailable) { _ = try test.manager.allocate(from: cache) }
    test.expectRefused(.cacheUnavailable) { _ = try test.manager.usage(of: cache) }
    let next = try test.manager.makeCache(named: "others", objectSize: 100)
    #expect(next != cache)
    test.expectRefused(.cacheUnavailable) { _ = try test.manager.allocate(from: cache) }
  }

  @Test func wrongCachesAreRefused() throws {
    let test = try TestMachine()
    let manager = test.manager
    test.expectRefused(.sizeIsZero) { _ = try manager.makeCache(named: "x", objectSize: 0) }
    test.expectRefused(.sizeOverflow) { _ = try manager.makeCache(named: "x", objectSize: -8) }
    test.expectRefused(.blockTooLarge(limit: 8192)) {
      _ = try manager.makeCache(named: "x", objectSize: 8193)
    }
    test.expectRefused(.badAlignment(48)) {
      _ = try manager.makeCache(named: "x", objectSize: 8, alignment: 48)
    }
    test.expectRefused(.blockTooLarge(limit: 8192)) {
      _ = try manager.makeCache(named: "x", objectSize: 8192, constructor: Self.construct)
    }
    for _ in 0..<92 { _ = try manager.makeCache(named: "x", objectSize: 8) }
    test.expectRefused(.cachesExhausted(limit: 92)) { _ = try manager.makeCache(named: "x", objectSize: 8) }
  }

  @Test func everyObjectSizeWorks() throws {
    let test = try TestMachine()
    for size in stride(from: 1, through: 8_192, by: 113) {
      let cache = try test.manager.makeCache(named: "sized", objectSize: size)
      let objects = try (0..<12).map { _ in try test.manager.allocate(from: cache) }
      for object in objects { object.initializeMemory(as: UInt8.self, repeating: 0xee, count: size) }
      test.expectValid()
      for object in objects { try test.manager.kfree(object) }
      try test.manager.destroy(cache)
    }
  }
}

@Suite struct KvmallocTests {
  @Test func sidesFollowThePolicy() throws {
    let test = try TestMachine()
    let manager = test.manager
    var policy = KvmallocPolicy()
    policy.threshold = 16_384
    for (size, side) in [(1, MemorySide.linear), (16_384, .linear), (16_385, .virtual), (3 << 20, .virtual)] {
      let pointer = try manager.kvmalloc(size, policy)
      #expect(manager.side(of: pointer) == side, "\(size) bytes")
      try manager.kvfree(pointer)
      #expect(manager.side(of: pointer) == nil)
      #expect(throws: MemoryError.badFree(.alreadyFree)) { try manager.kvfree(pointer) }
    }
    policy.mustBeContiguous = true
    let pointer = try manager.kvmalloc(1 << 20, policy)
    #expect(manager.side(of: pointer) == .linear)
    try manager.kvfree(pointer)
    #expect(throws: MemoryError.blockTooLarge(limit: 4 << 20)) { _ = try manager.kvmalloc(5 << 20, policy) }
    #expect(throws: MemoryError.sizeIsZero) { _ = try manager.kvmalloc(0) }
    #expect(throws: MemoryError.sizeOverflow) { _ = try manager.kvmalloc(-5) }
    try manager.kvfree(nil)
  }

  /// Where no block is free but single frames are, vmalloc serves, and nobody was asked to give back.
  @Test func fragmentedMemoryIsServedByPageTables() throws {
    let test = try TestMachine(ram: [.small])
    let manager = test.manager
    // The tables and the index of areas are there.
    try manager.vfree(try manager.vmalloc(1))
    var frames: [FrameNumber] = []
    try manager.allocateFrames(count: Int(test.framesLeft)) { frames.append($0) }
    frames.sort()
    for frame in frames where frame.rawValue % 2 == 0 { try manager.freeFrames(frame) }
    let pointer = try manager.kvmalloc(32_768)
    #expect(manager.side(of: pointer) == .virtual)
    var policy = KvmallocPolicy()
    policy.mustBeContiguous = true
    #expect(throws: MemoryError.framesExhausted(got: .zero, of: PageCount(8))) {
      _ = try manager.kvmalloc(32_768, policy)
    }
    try manager.kvfree(pointer)
    test.expectValid()
  }

  @Test func kvreallocKeepsContentsAcrossSides() throws {
    let test = try TestMachine()
    let manager = test.manager
    var pointer = try manager.kvrealloc(nil, 1_000)
    pointer.initializeMemory(as: UInt8.self, repeating: 0x5a, count: 1_000)
    for (size, side) in [
      (3_000, MemorySide.linear), (300_000, .virtual), (301_000, .virtual), (500_000, .virtual),
      (6_000, .virtual),
    ] {
      pointer = try manager.kvrealloc(pointer, size)
      #expect(manager.side(of: pointer) == side)
      for offset in stride(from: 0, to: 900, by: 50) {
        let byte: UInt8 =
          side == .virtual
          ? try test.simulated.load(at: VirtualAddress(pointer + offset))
          : pointer.load(fromByteOffset: offset, as: UInt8.self)
        #expect(byte == 0x5a)
      }
    }
    var policy = KvmallocPolicy()
    policy.mustBeContiguous = true
    pointer = try manager.kvrealloc(pointer, 900, policy)
    #expect(manager.side(of: pointer) == .linear)
    #expect(throws: MemoryError.badFree(.interior)) { _ = try manager.kvrealloc(pointer + 4, 10) }
    #expect(throws: MemoryError.sizeIsZero) { _ = try manager.kvrealloc(pointer, 0) }
    try manager.kvfree(pointer)
    test.expectValid()
    #expect(manager.counters[.objectsAllocated] == manager.counters[.objectsFreed])
    #expect(manager.counters[.areasAllocated] == manager.counters[.areasFreed])
  }

  @Test func kvzallocClearsBothSides() throws {
    let test = try TestMachine(mode: .warm)
    for size in [100, 200_000] {
      let dirty = try test.manager.kvmalloc(size)
      if size > 65_536 {
        try test.simulated.store([UInt8](repeating: 0xa5, count: size), at: VirtualAddress(dirty))
      } else {
        dirty.initializeMemory(as: UInt8.self, repeating: 0xa5, count: size)
      }
      try test.manager.kvfree(dirty)
      let clean = try test.manager.kvzalloc(size)
      #expect(clean == dirty)
      let bytes =
        size > 65_536
        ? try test.simulated.load(byteCount: size, at: VirtualAddress(clean))
        : Array(UnsafeRawBufferPointer(start: clean, count: size))
      #expect(bytes.allSatisfy { $0 == 0 })
      try test.manager.kvfree(clean)
    }
  }
}
