import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// Small freed areas, and those of whole large leaves, keep frames, entries, addresses and tables after the
/// flush.
@Suite struct SleepingAreaTests {
  private func pairs(_ count: Int, pages: Int = 1, _ test: TestMachine) throws {
    for _ in 0..<count { try test.manager.vfree(try test.manager.vmalloc(pages * 4096)) }
  }

  /// Every pair edits the page table; the locks are those of a few flushes and of the buddy lists.
  @Test func aSteadyPairTakesNoLock() throws {
    let test = try TestMachine(ram: RAMRegion.pc(byteCount: 256 << 20), mode: .lazy)
    try pairs(3 * 4_096, test)
    let (counters, locks) = (test.manager.counters, test.manager.locks.taken)
    try pairs(2 * 4_096, test)
    let work = test.manager.counters.since(counters)
    #expect(work[.entriesWritten] == 8_192 && work[.entriesCleared] == 8_192)
    #expect(work[.flushesOfAll] == 2)
    #expect(work[.tablesMade] == 0)
    let taken = test.manager.locks.taken - locks
    #expect(taken <= 2 * 8_192 / 64, "\(taken) locks were taken")
    test.expectValid()
  }

  @Test func aSleepingAreaIsFree() throws {
    let test = try TestMachine(mode: .lazy)
    let pointer = try test.manager.vmalloc(3 * 4096)
    try test.manager.vfree(pointer)
    test.manager.purge()
    #expect(test.manager.retained.unflushed == .zero && test.manager.retained.frames == PageCount(3))
    let address = VirtualAddress(pointer)
    let number = try #require(test.manager.arenas[test.manager.vmallocAreas].find(address.number(.size4K)))
    #expect(test.manager.arenas.pool[number].value.state == .retired)
    #expect(test.manager.area(containing: address) == nil)
    #expect(test.manager.frame(at: address) == nil)
    for offset in [0, 1, 4096, 3 * 4096] {
      #expect(throws: MemoryError.badFree(.alreadyFree)) { try test.manager.vfree(pointer + offset) }
    }
    test.expectValid()
    // Other sizes and kinds do not get it; its own does.
    var options = VmallocOptions()
    options.protection = .readOnly
    #expect(try test.manager.vmalloc(3 * 4096, options) != pointer)
    #expect(try test.manager.vmalloc(2 * 4096) != pointer)
    #expect(try test.manager.vmalloc(3 * 4096) == pointer)
    test.expectValid()
  }

  /// Of two CPUs one may have 12,288 pages behind flushes: its part of one half, and all of the other.
  @Test func whatTheBoundLetsBeFreedHasRoomToSleep() throws {
    let test = try TestMachine(mode: .lazy, cpuCount: 2)
    let areas = try (0..<700).map { _ in try test.manager.vmalloc(16 * 4096) }
    for area in areas { try test.manager.vfree(area) }
    let pages = test.manager.cpus.with { cpu in
      cpu.perCPU.asleep(.owning).value.pages
    }
    // They come in runs of four, but alone where a run's entries would be in two tables.
    #expect(pages == 701 * 16)
    test.expectValid()
  }

  @Test func agesInPurges() throws {
    let test = try TestMachine(mode: .lazy)
    let before = test.manager.counters[.tablesMade]
    try pairs(1, test)
    #expect(test.manager.counters[.tablesMade] == before + 2)
    var steps = 0
    while test.manager.purge() && steps < 20 { steps += 1 }
    for _ in 0..<4 { test.manager.purge() }
    while test.manager.purge() && steps < 20 { steps += 1 }
    #expect(steps < 20)
    #expect(test.manager.counters[.tablesReturned] == 2)
    test.expectValid()
  }

  @Test func givesItsAddressesUpWhenTheRangeIsShort() throws {
    let test = try TestMachine(vmallocPages: 64, mode: .lazy)
    for _ in 0..<40 { try test.manager.vfree(try test.manager.vmalloc(4096)) }
    _ = try test.manager.vmalloc(63 * 4096)
    test.expectValid()
  }

  /// Above 64 pages, and with a guard that is wider than that, addresses go back at once.
  @Test func onlySmallAreasSleep() throws {
    let test = try TestMachine(mode: .lazy)
    var options = VmallocOptions()
    options.guardPages = 200
    for (bytes, options) in [(65 * 4096, VmallocOptions()), (4096, options)] {
      let pointer = try test.manager.vmalloc(bytes, options)
      try test.manager.vfree(pointer)
      while test.manager.purge(budget: 1000) {}
      let page = VirtualAddress(pointer).number(.size4K)
      #expect(test.manager.arenas[test.manager.vmallocAreas].find(page) == nil)
    }
    test.expectValid()
  }

  /// The same frames in the same order, whatever blocks they came in, and in however many tables the entries
  /// are.
  @Test(arguments: [1, 3, 16, 63, 64])
  func wakesWithItsFrames(pages: Int) throws {
    let test = try TestMachine(mode: .lazy)
    // Ends past the first table of the range.
    let before = try test.manager.vmalloc((512 - pages / 2 - 2) * 4096)
    let pointer = try test.manager.vmalloc(pages * 4096)
    let frames = (0..<pages).map { test.manager.frame(at: VirtualAddress(pointer + $0 * 4096)) }
    #expect(Set(frames.compactMap(\.self)).count == pages)
    for page in 0..<pages {
      try test.simulated.store(UInt64(page) + 7, at: VirtualAddress(pointer + page * 4096))
    }
    try test.manager.vfree(pointer)
    for page in 0..<pages { #expect(test.manager.frame(at: VirtualAddress(pointer + page * 4096)) == nil) }
    // Still behind its flush: it is not handed out.
    let other = try test.manager.vmalloc(pages * 4096)
    #expect(other != pointer)
    test.expectValid()
    while test.manager.retained.unflushed != .zero { test.manager.purge() }
    let counters = test.manager.counters
    #expect(try test.manager.vmalloc(pages * 4096) == pointer)
    #expect((0..<pages).map { test.manager.frame(at: VirtualAddress(pointer + $0 * 4096)) } == frames)
    for page in 0..<pages {
      let address = VirtualAddress(pointer + page * 4096)
      #expect(try test.simulated.load(UInt64.self, at: address) == UInt64(page) + 7)
    }
    let work = test.manager.counters.since(counters)
    #expect(work[.entriesWritten] == UInt64(pages) && work[.tablesMade] == 0)
    test.expectValid()
    for area in [before, pointer, other] { try test.manager.vfree(area) }
    try test.manager.flushRetired()
    #expect(test.manager.retained == RetainedMemory())
    test.expectValid()
  }

  /// Of two large leaves with one entry each.
  @Test func largeLeavesSleepWhole() throws {
    let test = try TestMachine(ram: RAMRegion.pc(byteCount: 256 << 20), mode: .lazy)
    let pointer = try test.manager.vmalloc(4 << 20)
    let frame = try #require(test.manager.frame(at: VirtualAddress(pointer)))
    let counters = test.manager.counters
    try test.manager.vfree(pointer)
    #expect(test.manager.frame(at: VirtualAddress(pointer + 4096)) == nil)
    #expect(test.manager.retained.frames == PageCount(1024))
    test.manager.purge()
    test.expectValid()
    #expect(test.manager.retained.unflushed == .zero && test.manager.retained.frames == PageCount(1024))
    // Not with base leaves.
    var options = VmallocOptions()
    options.leaves = LeafPolicy.base
    let other = try test.manager.vmalloc(4 << 20, options)
    #expect(other != pointer)
    #expect(try test.manager.vmalloc(4 << 20) == pointer)
    #expect(test.manager.frame(at: VirtualAddress(pointer)) == frame)
    let work = test.manager.counters.since(counters)
    #expect(work[.entriesCleared] == 2 && work[.entriesWritten] == 2 + 1024)
    test.expectValid()
    for area in [pointer, other] { try test.manager.vfree(area) }
    try test.manager.flushRetired()
    #expect(test.manager.retained == RetainedMemory())
    test.expectValid()
  }

  /// Has what is freed fall asleep, as an allocation over the bound does: in a purge it would age.
  private func fallAsleep(_ test: TestMachine) {
    test.manager.cpus.with { cpu in
      test.manager.quarantine.seal(cpu)
      test.manager.quarantine.pollFlush(cpu)
      test.manager.vmalloc.popFlushed(cpu)
    }
  }

  /// Their pages are no index of a chain; their leaves are.
  @Test func largeLeavesGoTheHotPath() throws {
    let test = try TestMachine(ram: RAMRegion.pc(byteCount: 256 << 20), mode: .lazy)
    let tag = try test.manager.makeTag(named: "frames")
    var options = VmallocOptions()
    options.tag = tag
    let areas = try (0..<3).map { _ in try test.manager.vmalloc(2 << 20, options) }
    for area in areas { try test.manager.vfree(area) }
    fallAsleep(test)
    let (counters, locks) = (test.manager.counters, test.manager.locks.taken)
    let popped = try (0..<3).map { _ in
      try #require(UnsafeMutableRawPointer(bitPattern: test.manager.pop(2 << 20, options.traits)))
    }
    #expect(test.manager.locks.taken == locks)
    #expect(Set(popped) == Set(areas))
    #expect(test.manager.pop(2 << 20, options.traits) == 0)
    #expect(test.manager.usage(of: tag).liveBytes == 6 << 20)
    #expect(test.manager.usage(of: tag).peakBytes == 6 << 20)
    test.expectValid()
    // The first of a batch goes the longer way, and is in the flush that the others are behind.
    try test.manager.vfree(popped[0])
    for area in popped[1...] {
      #expect(test.manager.push(VirtualAddress(area)) == Vmalloc.freed)
      #expect(throws: MemoryError.badFree(.alreadyFree)) { try test.manager.vfree(area) }
    }
    let work = test.manager.counters.since(counters)
    #expect(work[.entriesWritten] == 3 && work[.entriesCleared] == 3)
    #expect(test.manager.usage(of: tag).liveBytes == 0)
    // Neither other leaves nor an emptied quota.
    fallAsleep(test)
    try test.manager.setQuota(3 << 20, for: tag)
    let one = try test.manager.vmalloc(2 << 20, options)
    #expect(test.manager.pop(2 << 20, options.traits) == 0)
    #expect(test.manager.usage(of: tag).liveBytes == 2 << 20)
    options.leaves = LeafPolicy.base
    options.tag = Tag.untagged
    #expect(test.manager.pop(2 << 20, options.traits) == 0)
    try test.manager.vfree(one)
    test.expectValid()
  }

  /// What sleeps is memory for whoever needs it, in one block or many.
  @Test(arguments: [1, 16, 64])
  func givesItsFramesUpWhenMemoryIsShort(pages: Int) throws {
    let test = try TestMachine(ram: [.small], mode: .lazy)
    var held: [UnsafeMutableRawPointer] = []
    while test.framesLeft > 200 { held.append(try test.manager.vmalloc(pages * 4096)) }
    for pointer in held { try test.manager.vfree(pointer) }
    while test.manager.retained.unflushed != .zero { test.manager.purge() }
    // Records of areas stay where they are, one frame in 64.
    let block = try test.manager.kmalloc(64 << 10)
    let frames = try (0..<1000).map { _ in try test.manager.allocateFrames() }
    for frame in frames { try test.manager.freeFrames(frame) }
    try test.manager.kfree(block)
    test.expectValid()
  }

  /// What sleeps of one kind and size makes no room for another kind for ever.
  @Test func theBoundHoldsForWhatSleeps() throws {
    let test = try TestMachine(ram: RAMRegion.pc(byteCount: 256 << 20), mode: .lazy)
    for pages in 1...64 { for _ in 0..<40 { try pairs(1, pages: pages, test) } }
    // One CPU: 8,192 pages that sleep, and as many that do not and wait for a flush.
    #expect(test.manager.retained.frames.rawValue <= 2 * 8_192)
    test.expectValid()
    try test.manager.flushRetired()
    #expect(test.manager.retained == RetainedMemory())
  }

  /// Areas, frames and tables that a drain gives back share a flush, however many steps that takes.
  @Test func aDrainFlushesOnce() throws {
    let test = try TestMachine(ram: RAMRegion.pc(byteCount: 256 << 20), mode: .lazy)
    try pairs(7_000, test)
    let counters = test.manager.counters
    try test.manager.flushRetired()
    let work = test.manager.counters.since(counters)
    #expect(work[.flushesOfAll] + work[.flushesOfRanges] + work[.flushesOfPage] == 1)
    #expect(work[.tablesReturned] > 8)
    #expect(test.manager.retained == RetainedMemory())
    test.expectValid()
  }

  /// A drain goes through all caches of objects when the areas are done, not in each of its steps.
  @Test func aDrainGoesThroughTheCachesOnce() throws {
    let test = try TestMachine(mode: .lazy)
    func locks(areas count: Int) throws -> UInt64 {
      let areas = try (0..<count).map { _ in try test.manager.vmalloc(4096) }
      for area in areas { try test.manager.vfree(area) }
      let before = test.manager.locks.taken
      try test.manager.flushRetired()
      return test.manager.locks.taken - before
    }
    let few = try locks(areas: 1)
    let many = try locks(areas: 1_000)
    #expect(many - few < 2_000)
    test.expectValid()
  }
}
