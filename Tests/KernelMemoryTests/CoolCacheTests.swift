import MachineSimulator
import Testing

@testable import KernelMemory

/// Small freed areas keep their addresses and tables after the flush.
@Suite struct CoolCacheTests {
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

  @Test func aKeptAreaIsFree() throws {
    let test = try TestMachine(mode: .lazy)
    let pointer = try test.manager.vmalloc(3 * 4096)
    try test.manager.vfree(pointer)
    test.manager.purge()
    test.manager.purge()
    let address = VirtualAddress(pointer)
    let number = try #require(test.manager.areas[test.manager.vmallocAreas].find(address.number(.size4K)))
    #expect(test.manager.areas.pool[number].value.state == .kept)
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
  @Test func onlySmallAreasAreKept() throws {
    let test = try TestMachine(mode: .lazy)
    var options = VmallocOptions()
    options.guardPages = 200
    for (bytes, options) in [(65 * 4096, VmallocOptions()), (4096, options)] {
      let pointer = try test.manager.vmalloc(bytes, options)
      try test.manager.vfree(pointer)
      while test.manager.purge(budget: 1000) {}
      let page = VirtualAddress(pointer).number(.size4K)
      #expect(test.manager.areas[test.manager.vmallocAreas].find(page) == nil)
    }
    test.expectValid()
  }
}
