import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct SlabTests {
  @Test func everySizeHasTheSmallestClassThatHoldsIt() {
    var last: UInt = 0
    for number in 0..<SizeClass.count {
      let size = SizeClass.size(number)
      #expect(size > last && size % 8 == 0)
      for byteCount in last + 1...size where SizeClass.index(of: byteCount) != number {
        Issue.record("\(byteCount) bytes have class \(SizeClass.index(of: byteCount)), not \(number)")
      }
      // Waste: less than 8 bytes, or less than a fifth of the object.
      #expect(size - (last + 1) < 8 || (size - (last + 1)) * 5 < size)
      last = size
    }
    #expect(last == SizeClass.largest)
  }

  /// Every offset of every class's slab, with every page size.
  @Test(arguments: [PageSize.size4K, .size16K, .size64K].map(\.shift))
  func reciprocalsAreExact(shift: UInt8) {
    let pageSize = PageSize(shift: shift)
    for number in 0..<SizeClass.count {
      for padding: UInt in [0, 8] {
        let layout = SlabLayout(class: number, pageSize, padding: padding)
        guard layout.stride != 0 else { continue }
        for offset in 0...layout.mask {
          let (index, isFirst) = layout.grid.object(at: offset)
          guard index != offset / layout.stride || isFirst != (offset % layout.stride == 0) else { continue }
          Issue.record("class \(layout.stride): byte \(offset) is in object \(index), its first: \(isFirst)")
          break
        }
      }
    }
  }

  @Test func aSlabWastesAnEighthAtTheMost() {
    for number in 0..<SizeClass.count {
      let layout = SlabLayout(class: number, .size4K, padding: 0)
      guard layout.stride != 0 else {
        #expect([4096, 8192].contains(SizeClass.size(number)))
        continue
      }
      let bytes = UInt(4096) << UInt(layout.order)
      let used = UInt(layout.capacity) * (layout.stride + 1)
      #expect(used <= bytes && (bytes - used) * 8 <= bytes, "class \(layout.stride)")
      #expect(layout.owners >= UInt(layout.capacity) * layout.stride)
      // An owner for each multiple of the stride.
      #expect(layout.grid.object(at: layout.mask).index == layout.mask - layout.owners)
    }
  }

  @Test(arguments: RandomTests.seeds(3), [1, 3])
  func randomOperationsKeepContents(seed: UInt64, cpuCount: Int) throws {
    var oracle = try SlabOracle(seed: seed, cpuCount: cpuCount)
    try oracle.run(steps: 1_500 * RandomTests.factor)
  }

  @Test(arguments: [
    SlabHardening.hardened(secret: 0x1357_9bdf_0246_8ace), .checked(secret: 0x1122_3344_5566_7788),
  ])
  func randomOperationsKeepContentsWhenWatched(hardening: SlabHardening) throws {
    var oracle = try SlabOracle(seed: 7, cpuCount: 2, hardening: hardening)
    try oracle.run(steps: 1_500 * RandomTests.factor)
  }

  /// Every byte count near the border of a class or an order, up to the largest block.
  @Test func sizesAtEveryBorder() throws {
    let test = try TestMachine()
    var sizes = Set<Int>()
    let borders = (0..<SizeClass.count).map { Int(SizeClass.size($0)) } + (12...22).map { 1 << $0 }
    for border in borders {
      for delta in -9...9 where border + delta > 0 && border + delta <= 4 << 20 {
        sizes.insert(border + delta)
      }
    }
    for size in sizes.sorted() {
      let pointer = try test.manager.kmalloc(size)
      let usable = try #require(test.manager.ksize(of: pointer))
      let expected =
        size <= 8192 ? Int(SizeClass.size(SizeClass.index(of: UInt(size)))) : max(4096, size.nextPowerOfTwo)
      #expect(usable == expected, "\(size) bytes")
      if size & (size - 1) == 0 { #expect(UInt(bitPattern: pointer) % UInt(size) == 0, "\(size) bytes") }
      pointer.initializeMemory(as: UInt8.self, repeating: 0xff, count: usable)
      try test.manager.kfree(pointer)
    }
    test.expectValid()
    #expect(throws: MemoryError.blockTooLarge(limit: 4 << 20)) { _ = try test.manager.kmalloc(4 << 20 + 1) }
    #expect(throws: MemoryError.blockTooLarge(limit: 4 << 20)) { _ = try test.manager.kmalloc(.max) }
  }

  @Test func wrongRequestsAreRefused() throws {
    let test = try TestMachine()
    test.expectRefused(.sizeIsZero) { _ = try test.manager.kmalloc(0) }
    test.expectRefused(.sizeOverflow) { _ = try test.manager.kmalloc(-1) }
    test.expectRefused(.sizeOverflow) { _ = try test.manager.kmalloc(.min) }
    test.expectRefused(.sizeOverflow) { _ = try test.manager.kcalloc(count: .max, stride: 2) }
    test.expectRefused(.sizeOverflow) { _ = try test.manager.kcalloc(count: -1, stride: -8) }
    test.expectRefused(.sizeIsZero) { _ = try test.manager.kcalloc(count: 0, stride: 8) }
    var options = KmallocOptions()
    for alignment: UInt64 in [0, 3, 24, 8192, 1 << 63, .max] {
      options.alignment = alignment
      test.expectRefused(.badAlignment(alignment)) { _ = try test.manager.kmalloc(64, options) }
    }
    options = KmallocOptions()
    options.tag = Tag(index: 200)
    test.expectRefused(.tagUnavailable) { _ = try test.manager.kmalloc(64, options) }
  }

  @Test func everyAlignmentOfEverySizeIsKept() throws {
    let test = try TestMachine()
    var options = KmallocOptions()
    for shift in UInt64(0)...12 {
      options.alignment = 1 << shift
      for size in stride(from: 1, to: 9_000, by: 37) {
        let pointer = try test.manager.kmalloc(size, options)
        #expect(UInt(bitPattern: pointer) % UInt(options.alignment) == 0)
        #expect(try #require(test.manager.ksize(of: pointer)) >= size)
        try test.manager.kfree(pointer)
      }
    }
    test.expectValid()
  }

  @Test func kzallocAndKcallocClear() throws {
    let test = try TestMachine()
    for size in [1, 64, 100, 5_000, 4_096, 70_000] {
      let dirty = try test.manager.kmalloc(size)
      dirty.initializeMemory(as: UInt8.self, repeating: 0xa5, count: size)
      try test.manager.kfree(dirty)
      let clean = try test.manager.kzalloc(size)
      #expect(clean == dirty)
      #expect(UnsafeRawBufferPointer(start: clean, count: size).allSatisfy { $0 == 0 })
      clean.initializeMemory(as: UInt8.self, repeating: 0xa5, count: size)
      try test.manager.kfree(clean)
      let array = try test.manager.kcalloc(count: size, stride: 1)
      #expect(array == dirty)
      #expect(UnsafeRawBufferPointer(start: array, count: size).allSatisfy { $0 == 0 })
      try test.manager.kfree(array)
    }
  }

  /// What issue 4 calls the usual pair.
  @Test(arguments: [8, 64, 512, 4096, 8192, 65_536, 2 << 20])
  func aPairTakesNoLock(size: Int) throws {
    let test = try TestMachine()
    try test.manager.kfree(try test.manager.kmalloc(size))
    let locks = test.manager.locks
    let counters = test.manager.counters
    for _ in 0..<100 { try test.manager.kfree(try test.manager.kmalloc(size)) }
    #expect(test.manager.locks == locks)
    let work = test.manager.counters.since(counters)
    #expect(work[.objectsAllocated] == 100 && work[.objectsFreed] == 100)
    #expect(work[.magazineRefills] + work[.magazineDrains] + work[.slabsMade] == 0)
  }

  @Test func locksAreTakenOnceABatch() throws {
    let test = try TestMachine()
    let before = test.manager.locks.taken
    let pointers = try (0..<6_400).map { _ in try test.manager.kmalloc(64) }
    for pointer in pointers { try test.manager.kfree(pointer) }
    // 100 refills and 98 drains, each with a lock; 102 slabs, of which each takes two.
    #expect(test.manager.locks.taken - before < 600)
    test.expectValid()
  }

  @Test func magazinesAreBoundedInBytes() {
    for number in 0..<SizeClass.count {
      let size = SizeClass.size(number)
      #expect(Magazine.limit(size) * Int(size) <= max(16_384, 4 * Int(size)))
      #expect((4...128).contains(Magazine.limit(size)))
    }
  }

  /// The last slot of the last magazine, and the one above it, are among those that a CPU has.
  /// The slots of all magazines lie side by side, and in the memory that a CPU's records have.
  @Test func aCPUHasTheSlotsOfAllMagazines() throws {
    let test = try TestMachine()
    let (slab, stride) = (test.manager.slab, MemoryLayout<Magazine.Slot>.stride)
    var end = Slab.slots.offset
    for number in 0..<Slab.capacity {
      let limit = number < SizeClass.count ? Magazine.limit(SizeClass.size(number)) : Magazine.namedLimit
      #expect(Slab.slots.offset + UInt(Slab.firstSlot(number) * stride) == end)
      let cache = slab.caches[number]
      #expect(cache.value.layout.stride == 0 || cache.value.limit <= limit)
      end += UInt((limit + 2) * stride)
    }
    #expect(end == Slab.slots.end)
  }

  @Test func krealloc() throws {
    let test = try TestMachine()
    let manager = test.manager
    let first = try manager.krealloc(nil, 100)
    for index in 0..<100 { first.storeBytes(of: UInt8(index), toByteOffset: index, as: UInt8.self) }
    let same = try manager.krealloc(first, 112)
    #expect(same == first)
    let moved = try manager.krealloc(same, 5_000)
    #expect(moved != first && manager.ksize(of: first) == nil)
    let large = try manager.krealloc(moved, 70_000)
    #expect(try manager.krealloc(large, 131_072) == large)
    let small = try manager.krealloc(large, 50)
    #expect(small == large && manager.ksize(of: small) == 131_072)
    for index in 0..<50 { #expect(small.load(fromByteOffset: index, as: UInt8.self) == UInt8(index)) }
    test.expectRefused(.sizeIsZero) { _ = try manager.krealloc(small, 0) }
    test.expectRefused(.badFree(.interior)) { _ = try manager.krealloc(small + 8, 10) }
    test.expectRefused(.badFree(.alreadyFree)) { _ = try manager.krealloc(first, 10) }
    try manager.kfree(small)
    test.expectRefused(.badFree(.alreadyFree)) { _ = try manager.krealloc(small, 10) }
    #expect(manager.counters[.objectsAllocated] == manager.counters[.objectsFreed])
  }

  @Test func physicalAddressesAreADifference() throws {
    let test = try TestMachine()
    let pointer = try test.manager.kmalloc(300)
    let base = test.manager.slab.base
    #expect(
      try test.manager.physicalAddress(of: pointer + 7).rawValue
        == UInt64(UInt(bitPattern: pointer) - base + 7))
    let virtual = try test.manager.vmalloc(300)
    #expect(throws: MemoryError.notLinear(VirtualAddress(virtual))) {
      _ = try test.manager.physicalAddress(of: virtual)
    }
    let beyond = try #require(UnsafeRawPointer(bitPattern: base + 1 << 40))
    #expect(throws: MemoryError.notMemory(VirtualAddress(beyond))) {
      _ = try test.manager.physicalAddress(of: beyond)
    }
    // Frame zero is never managed.
    let zero = try #require(UnsafeRawPointer(bitPattern: base))
    #expect(throws: MemoryError.notMemory(VirtualAddress(zero))) {
      _ = try test.manager.physicalAddress(of: zero)
    }
  }

  @Test func chargesTheTag() throws {
    let test = try TestMachine()
    var options = KmallocOptions()
    options.tag = try test.manager.makeTag(named: "driver")
    let small = try test.manager.kmalloc(100, options)
    #expect(test.manager.usage(of: options.tag).liveBytes == 112)
    let large = try test.manager.kmalloc(100_000, options)
    #expect(test.manager.usage(of: options.tag).liveBytes == 112 + 131_072)
    #expect(test.manager.usage(of: .untagged).liveBytes == 0)
    try test.manager.kfree(small)
    try test.manager.kfree(large)
    #expect(test.manager.usage(of: options.tag).liveBytes == 0)
    var virtual = VmallocOptions()
    virtual.tag = options.tag
    let area = try test.manager.vmalloc(5_000, virtual)
    #expect(test.manager.usage(of: options.tag).liveBytes == 8_192)
    try test.manager.vfree(area)
    #expect(test.manager.usage(of: options.tag).liveBytes == 0)
  }
}

extension Int {
  fileprivate var nextPowerOfTwo: Int { self <= 1 ? 1 : 1 << (Int.bitWidth - (self - 1).leadingZeroBitCount) }
}
