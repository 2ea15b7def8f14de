import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct LazyFreeTests {
  private func isReachable(_ test: TestMachine, _ address: VirtualAddress) -> Bool {
    (try? test.simulated.load(UInt8.self, at: address)) != nil
  }

  @Test func oneFlushServesManyFrees() throws {
    let test = try TestMachine(mode: .lazy)
    let before = test.manager.counters
    for _ in 0..<4_000 {
      let pointer = try test.manager.vmalloc(4096)
      try test.simulated.store(UInt64(1), at: VirtualAddress(pointer))
      try test.manager.vfree(pointer)
    }
    let work = test.manager.counters.since(before)
    #expect(work[.flushesOfPage] + work[.flushesOfRanges] + work[.flushesOfAll] == 0)
    #expect(work[.entriesCleared] == 4_000)
    try test.manager.flushRetired()
    #expect(test.manager.counters.since(before)[.flushesOfAll] >= 1)
    test.expectValid()
  }

  /// Two pages a free, guard included: a batch is closed when it has reached 8,192.
  @Test func retiredPagesAreBounded() throws {
    let test = try TestMachine(ram: RAMRegion.pc(byteCount: 256 << 20), mode: .lazy)
    let used = test.manager.usedFrames.rawValue
    var peak: UInt64 = 0
    for _ in 0..<20_000 {
      try test.manager.vfree(try test.manager.vmalloc(4096))
      peak = max(peak, test.manager.usedFrames.rawValue - used)
    }
    let flushes = test.manager.counters[.flushesOfAll]
    #expect((3...6).contains(flushes), "\(flushes) flushes of everything")
    #expect(peak > 4_000 && peak < 9_000, "\(peak) frames retained at the worst moment")
    test.expectValid()
  }

  @Test func aFreedFrameIsNotReusedBeforeTheFlush() throws {
    let test = try TestMachine(mode: .lazy)
    let pointer = try test.manager.vmalloc(4096)
    let address = VirtualAddress(pointer)
    try test.simulated.store(UInt64(7), at: address)
    let frame = try #require(test.manager.frame(at: address))
    try test.manager.vfree(pointer)
    // The TLB still has the translation, and may: nobody else gets the frame, nor the address.
    #expect(isReachable(test, address) == false || test.manager.frame(at: address) == nil)
    var others: [UnsafeMutableRawPointer] = []
    for _ in 0..<500 {
      let other = try test.manager.vmalloc(4096)
      #expect(other != pointer && test.manager.frame(at: VirtualAddress(other)) != frame)
      others.append(other)
    }
    for other in others { try test.manager.vfree(other) }
    try test.manager.flushRetired()
    #expect(!isReachable(test, address))
    test.expectValid()
  }

  @Test func everythingIsBackAfterAForcedPurge() throws {
    let test = try TestMachine(mode: .lazy)
    try test.manager.vfree(try test.manager.vmalloc(4096))
    try test.manager.flushRetired()
    let used = test.manager.usedFrames.rawValue - test.manager.frames.ownMetadata.rawValue
    var live: [UnsafeMutableRawPointer] = []
    for pages in [1, 3, 64, 65, 600, 2] { live.append(try test.manager.vmalloc(pages * 4096)) }
    for pointer in live { try test.manager.vfree(pointer) }
    test.expectValid()
    try test.manager.flushRetired()
    test.expectValid()
    #expect(test.manager.usedFrames.rawValue - test.manager.frames.ownMetadata.rawValue == used)
    let counters = test.manager.counters
    #expect(counters[.entriesCleared] == counters[.entriesWritten])
  }

  /// Above 64 pages a free only queues the area. A block of frames is cleared as one.
  @Test(arguments: [true, false])
  func aLargeFreeIsClearedByBudget(isInPieces: Bool) throws {
    let test = try TestMachine(mode: .lazy)
    if isInPieces { try test.scatterFreeFrames() }
    var options = VmallocOptions()
    options.leaves = .base
    let pointer = try test.manager.vmalloc(1_000 * 4096, options)
    let before = test.manager.counters
    try test.manager.vfree(pointer)
    #expect(test.manager.counters.since(before)[.entriesCleared] == 0)
    #expect(throws: MemoryError.badFree(.alreadyFree)) { try test.manager.vfree(pointer) }
    #expect(test.manager.area(containing: VirtualAddress(pointer)) == nil)
    var steps = 0
    var cleared: UInt64 = 0
    while test.manager.purge(budget: 100) {
      let now = test.manager.counters.since(before)[.entriesCleared]
      #expect(now - cleared <= (isInPieces ? 100 : 100 * 32 + 511))
      cleared = now
      steps += 1
      test.expectValid()
      try #require(steps < 200)
    }
    #expect(cleared == 1_000)
    #expect(steps >= (isInPieces ? 20 : 1))
    #expect(test.manager.frame(at: VirtualAddress(pointer)) == nil)
  }

  @Test func anAllocationThatWouldFailCompletesFreesFirst() throws {
    let test = try TestMachine(ram: [RAMRegion(PhysicalAddress(0), byteCount: 32 << 20)], mode: .lazy)
    let size =
      Int(test.manager.usage(of: .dma32).free.rawValue + test.manager.usage(of: .dma).free.rawValue) * 3 / 5
    for _ in 0..<8 {
      let pointer = try test.manager.vmalloc(size * 4096)
      try test.simulated.store(UInt64(1), at: VirtualAddress(pointer))
      try test.manager.vfree(pointer)
    }
    test.expectValid()
  }
}
