import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct SlabFreeTests {
  private func refusal(_ test: TestMachine, _ address: UInt64) -> BadFree? {
    do throws(MemoryError) {
      try test.manager.kfree(test.pointer(address))
      return nil
    } catch {
      guard case .badFree(let problem) = error else { return nil }
      return problem
    }
  }

  @Test func badFreesAreRefusedAndReported() throws {
    let test = try TestMachine()
    var options = KmallocOptions()
    options.tag = try test.manager.makeTag(named: "driver")
    let object = try test.manager.kmalloc(64, options)
    let block = try test.manager.kmalloc(16_384, options)
    let virtual = try test.manager.vmalloc(4096)
    let frame = try test.manager.allocateFrames()
    test.expectRefused(.badFree(.interior)) { try test.manager.kfree(object + 1) }
    test.expectRefused(.badFree(.interior)) { try test.manager.kfree(object + 63) }
    test.expectRefused(.badFree(.alreadyFree)) { try test.manager.kfree(object + 64) }
    test.expectRefused(.badFree(.interior)) { try test.manager.kfree(block + 8) }
    test.expectRefused(.badFree(.interior)) { try test.manager.kfree(block + 4096) }
    test.expectRefused(.badFree(.foreign)) { try test.manager.kfree(virtual) }
    test.expectRefused(.badFree(.foreign)) {
      try test.manager.kfree(test.manager.linearAddress(of: frame).pointer)
    }
    #expect(throws: MemoryError.badFree(.foreign)) {
      try test.manager.freeFrames(
        FrameNumber(try test.manager.physicalAddress(of: block).rawValue >> 12), order: 2)
    }
    // The bytes that say who owns an object are no object.
    let layout = test.manager.slab.caches[SizeClass.index(of: 64)].value.layout
    let slab = UInt64(UInt(bitPattern: object)) & ~4095
    #expect(refusal(test, slab + UInt64(layout.owners)) == .foreign)
    try test.manager.kfree(object)
    test.expectRefused(.badFree(.alreadyFree)) { try test.manager.kfree(object) }
    try test.manager.kfree(block)
    test.expectRefused(.badFree(.alreadyFree)) { try test.manager.kfree(block) }
    test.expectRefused(.badFree(.alreadyFree)) { try test.manager.kfree(block + 4096) }
    try test.manager.kfree(nil)
    var reports: [SlabReport] = []
    try test.manager.forEachSlabReport { reports.append($0) }
    #expect(reports.count == 11)
    #expect(reports[0].kind == .interiorFree && reports[0].tag == options.tag)
    #expect(reports[0].cache == SizeClass.index(of: 64))
    #expect(reports[2].kind == .doubleFree)
    #expect(reports[5].kind == .foreignFree && reports[5].cache == nil)
    #expect(reports[5].address == VirtualAddress(virtual))
    #expect(test.manager.counters[.slabViolations] == 11)
  }

  /// Random addresses of every sort: nothing but the first byte of a live object is freed.
  @Test(arguments: RandomTests.seeds(4)) func randomAddressesAreRefused(seed: UInt64) throws {
    let ram = [
      RAMRegion(PhysicalAddress(0), byteCount: 32 << 20),
      RAMRegion(PhysicalAddress(300 << 20), byteCount: 8 << 20),
    ]
    let test = try TestMachine(ram: ram)
    var random = Randomness(seed: seed)
    var live = Set<UInt64>()
    for _ in 0..<600 {
      let pointer = try test.manager.kmalloc(Int(1 + random.below(random.oneIn(10) ? 40_000 : 3_000)))
      live.insert(UInt64(UInt(bitPattern: pointer)))
    }
    for address in live.sorted() where random.oneIn(2) {
      try test.manager.kfree(test.pointer(address))
      live.remove(address)
    }
    let virtual = try test.manager.vmalloc(1 << 20)
    let base = UInt64(test.manager.slab.base)
    let before = Snapshot(of: test.manager)
    for _ in 0..<5_000 * RandomTests.factor {
      let address =
        switch random.below(6) {
        case 0: random.next()
        case 1: base + random.below(512 << 20)
        case 2: (base + random.below(40 << 20)) & ~7
        case 3: (base + random.below(40 << 20)) & ~4095
        case 4: UInt64(UInt(bitPattern: virtual)) + random.below(2 << 20)
        default: random.element(of: Array(live.prefix(8))) &+ random.below(256)
        }
      if live.contains(address) || address == 0 { continue }
      #expect(
        refusal(test, address) != nil, "\(String(address &- base, radix: 16)) from the map's start was freed")
    }
    test.expectUnchanged(since: before)
    test.expectValid()
    for address in live { #expect(refusal(test, address) == nil) }
    try test.manager.vfree(virtual)
    test.drainSlabs()
    test.expectValid()
  }

  @Test func emptySlabsGoBackButForOne() throws {
    let test = try TestMachine()
    let used = test.framesInUse
    let pointers = try (0..<5_000).map { _ in try test.manager.kmalloc(128) }
    #expect(test.framesInUse - used >= 5_000 / 32)
    for pointer in pointers { try test.manager.kfree(pointer) }
    // A magazine holds at most 128 objects of at most as many slabs; one more may be empty.
    #expect(test.framesInUse - used <= 129)
    let work = test.manager.counters
    #expect(work[.slabsMade] - work[.slabsReturned] == test.framesInUse - used)
    test.drainSlabs()
    #expect(test.framesInUse == used)
    test.expectValid()
  }

  /// Long random runs, then everything freed: every frame is back, in blocks as large as before.
  @Test func fragmentationHeals() throws {
    let test = try TestMachine()
    test.drainSlabs()
    let before = [ZoneKind.dma, .dma32].map { test.manager.usage(of: $0) }
    var random = Randomness(seed: 11)
    var live: [UnsafeMutableRawPointer] = []
    for _ in 0..<20_000 * RandomTests.factor {
      if live.count < 3_000 || random.oneIn(2) {
        live.append(try test.manager.kmalloc(Int(1 + random.below(random.oneIn(30) ? 30_000 : 700))))
      }
      if live.count > 2_000 {
        let index = Int(random.below(UInt64(live.count)))
        live.swapAt(index, live.count - 1)
        try test.manager.kfree(live.removeLast())
      }
    }
    test.expectValid()
    for pointer in live { try test.manager.kfree(pointer) }
    test.drainSlabs()
    #expect([ZoneKind.dma, .dma32].map { test.manager.usage(of: $0) } == before)
    test.expectValid()
  }

  /// With exactly so many frames left, every number that matters.
  @Test(arguments: [8, 64, 512, 1_024, 3_000, 4_096, 8_192, 16_384, 60_000])
  func everyShortageLeavesAllAsItWas(size: Int) throws {
    let order = test(size)
    for left in UInt64(0)...order + 2 {
      let test = try TestMachine(ram: [.small])
      let used = test.framesInUse
      try test.withFramesLeft(left) {
        let before = Snapshot(of: test.manager)
        let refusals = test.manager.counters[.allocationsFailed]
        do throws(MemoryError) {
          let pointer = try test.manager.kmalloc(size)
          #expect(left > 0)
          try test.manager.kfree(pointer)
        } catch {
          guard case .framesExhausted = error else {
            Issue.record("\(error)")
            return
          }
          #expect(size > 4096 ? left < order * 2 : left == 0, "\(size) bytes with \(left) frames")
          test.expectUnchanged(since: before)
          #expect(test.manager.counters[.allocationsFailed] == refusals + 1)
        }
        test.expectValid()
        test.drainSlabs()
      }
      #expect(test.framesInUse == used)
      test.expectValid()
    }
  }

  /// The frames of the block that a size needs at the least.
  private func test(_ size: Int) -> UInt64 {
    var frames: UInt64 = 1
    while frames * 4096 < UInt64(size) { frames *= 2 }
    return frames
  }

  /// Objects that lie in magazines and empty slabs come back before an allocation fails, from other CPUs too.
  @Test func memoryInMagazinesIsGatheredWhenItIsShort() throws {
    let test = try TestMachine(ram: [.small], cpuCount: 2)
    let manager = test.manager
    let used = test.framesInUse
    for cpu in 0..<2 {
      try test.onCPU(cpu) {
        var pointers: [UnsafeMutableRawPointer] = []
        for size in [64, 2_048, 3_000] { pointers += try (0..<20).map { _ in try manager.kmalloc(size) } }
        for pointer in pointers { try manager.kfree(pointer) }
      }
    }
    let inSlabs = test.framesInUse - used
    #expect(inSlabs >= 17)
    let all = test.framesLeft + inSlabs
    var frames: [FrameNumber] = []
    try manager.allocateFrames(count: Int(all)) { frames.append($0) }
    #expect(manager.counters[.slabsMade] == manager.counters[.slabsReturned])
    for frame in frames { try manager.freeFrames(frame) }
    #expect(test.framesInUse == used)
    test.expectValid()
  }
}
