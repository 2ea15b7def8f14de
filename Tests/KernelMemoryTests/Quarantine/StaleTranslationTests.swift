import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// The order of a free: entries are cleared, every CPU forgets them, and only then is anything free.
/// Done in another order by hand, it is caught: so the silence of all other tests means something.
@Suite struct StaleTranslationTests {
  private let test: TestMachine
  private let pages: PageRange
  private let start: VirtualAddress
  private let number: UInt32

  /// An area of ten pages, of which the CPU knows all but the last.
  init() throws {
    test = try TestMachine(ram: [.small])
    start = VirtualAddress(try test.manager.vmalloc(10 * 4096))
    pages = PageRange(unchecked: start.number(.size4K), count: PageCount(10))
    number = try #require(test.manager.arenas[test.manager.vmallocAreas].find(pages.first))
    for page in 0..<UInt64(9) {
      try test.simulated.store(page, at: VirtualAddress(start.rawValue + page * 4096))
    }
  }

  private var last: VirtualAddress { VirtualAddress(start.rawValue + 9 * 4096) }

  /// The first step of a free, by hand.
  private func clear() -> Detached {
    let area = test.manager.arenas.pool[number]
    let isRetired = area.value.move(from: .live, to: .retired, in: area.value.generation)
    #expect(isRetired)
    var emptied = FrameList()
    let tables = test.manager.tables
    var detached = tables.detach(pages)
    var pruned = test.manager.cpus.with { cpu in
      tables.locked(cpu) {
        tables.unpin(pages, emptied: &emptied)
        area.value.setState(.unpinned)
        return tables.detachEmptyTables(&emptied, limit: .max) { _ in }
      }
    }
    swap(&pruned.tables, &detached.tables)
    pruned.end()
    emptied.end()
    return detached
  }

  /// The rest of it.
  private func finish(_ detached: consuming Detached, area: UInt32?) {
    var detached: Detached? = detached
    test.manager.cpus.with { cpu in
      guard let taken = detached.take() else { return }
      test.manager.quarantine.add(taken, pages, cpu)
      if let area {
        test.manager.quarantine.openBatch(cpu).value.held.areas.push(area, test.manager.arenas.pool)
      }
      _ = test.manager.quarantine.flushOpen(cpu)
    }
    for page in pages.first.rawValue..<pages.end.rawValue {
      #expect(test.fault(.read, at: PageNumber(page))?.cause == .notPresent)
    }
    test.expectValid()
  }

  @Test func framesThatAreFreedBeforeTheFlushAreCaught() {
    var detached = clear()
    test.manager.cpus.with { cpu in _ = test.manager.frames.free(&detached.frames, cpu) }
    for access in [Fault.Access.read, .write] {
      let fault = test.fault(access, at: start)
      #expect(fault?.cause == .freedFrame)
      #expect(fault?.usedCache == true)
    }
    finish(detached, area: number)
  }

  /// The walk cache leads to the table, and the table is somebody else's by then.
  @Test func tablesThatAreFreedBeforeTheFlushAreCaught() {
    var detached = clear()
    #expect(detached.tables.count == 2)
    var emptied = FrameList()
    let tables = test.manager.tables
    free(
      test.manager.cpus.with { cpu in
        tables.locked(cpu) { tables.reapTables(&detached.tables, limit: .max, emptied: &emptied) }
      })
    emptied.end()
    let fault = test.fault(.read, at: last)
    #expect(fault?.cause == .freedFrame)
    #expect(fault?.level == 1)
    #expect(fault?.usedCache == true)
    finish(detached, area: number)
  }

  @Test func addressesThatAreReusedBeforeTheFlushAreCaught() throws {
    let detached = clear()
    test.manager.arenas[test.manager.vmallocAreas].release(number)
    let again = try test.manager.vmalloc(10 * 4096)
    #expect(VirtualAddress(again) == start)
    // The new area is mapped, but the CPU still goes to the old one's frames.
    #expect(try test.simulated.translation(of: start).isWritable)
    let second = VirtualAddress(start.rawValue + 4096)
    #expect(test.manager.frame(at: second) != nil)
    #expect(try test.simulated.load(UInt64.self, at: second) == 1)
    // Not so for a page that it has never seen: the walk cache leads to the old table, which was revived.
    #expect(test.fault(.read, at: last) == nil)
    var rest: Detached? = detached
    test.manager.cpus.with { cpu in
      guard let taken = rest.take() else { return }
      test.manager.quarantine.add(taken, pages, cpu)
      _ = test.manager.quarantine.flushOpen(cpu)
    }
    #expect(test.fault(.read, at: start) == nil)
    #expect(test.fault(.read, at: last) == nil)
    try test.manager.vfree(again)
    test.expectValid()
  }

  @Test func aLostFlushIsCaught() throws {
    let probe = FlushProbe(test)
    probe.atFlush = { false }
    try test.manager.vfree(start.pointer)
    #expect(probe.flushes == 1)
    let fault = test.fault(.write, at: start)
    #expect(fault?.cause == .freedFrame)
    #expect(fault?.usedCache == true)
    withExtendedLifetime(probe) {}
  }

  private func free(_ list: consuming FrameList) {
    var list: FrameList? = list
    test.manager.cpus.with { cpu in
      if let taken = list.take() { test.manager.frames.free(taken, cpu) }
    }
  }
}

// MARK: - The order as it is

extension StaleTranslationTests {
  @Test func nothingIsFreeWhenTheFlushBegins() throws {
    let probe = FlushProbe(test)
    let manager = test.manager
    let framesLeft = test.framesLeft
    let arena = manager.arenas[manager.vmallocAreas]
    probe.atFlush = { [test, number, pages, start] in
      // The entries are gone, and with them the area, as far as its users go …
      #expect(manager.mapping(at: start) == nil)
      #expect(manager.area(containing: start) == nil)
      // … but its frames, its tables and its addresses are nobody's yet.
      #expect(test.framesLeft == framesLeft)
      #expect(manager.arenas.pool[number].value.state == .unpinned)
      #expect(arena.find(pages.first) == number)
      #expect(manager.area(containing: start) == nil)
      return true
    }
    try manager.vfree(start.pointer)
    #expect(probe.flushes == 1)
    #expect(test.framesLeft == framesLeft + 12)
    #expect(arena.find(pages.first) == nil)
    for page in pages.first.rawValue..<pages.end.rawValue {
      #expect(test.fault(.read, at: PageNumber(page))?.cause == .notPresent)
    }
    test.expectValid()
    withExtendedLifetime(probe) {}
  }

  @Test func noTableIsFreeWhenTheFlushOfAnUnmapBegins() throws {
    let probe = FlushProbe(test)
    let window = PageRange(
      unchecked: PageNumber(UInt64(0xffff_f000_0000_0000) >> 12), count: PageCount(1))
    try test.manager.map(window, to: Pages.device, MappingAttributes(.readWrite))
    let framesLeft = test.framesLeft
    probe.atFlush = { [test] in
      #expect(test.framesLeft == framesLeft)
      return true
    }
    try test.manager.unmap(window)
    // That of the leaf, and, once that is free, that of the tables.
    #expect(probe.flushes == 2)
    // Two levels of tables; the one directly below the root stays.
    #expect(test.framesLeft == framesLeft + 2)
    withExtendedLifetime(probe) {}
  }

  /// What an NMI that has interrupted a free tries is refused, and nothing changes.
  @Test func whatInterruptsAFreeIsRefused() throws {
    let probe = FlushProbe(test)
    let other = try test.manager.vmalloc(3 * 4096)
    try test.simulated.store(UInt64(1), at: VirtualAddress(other))
    let frame = try test.manager.allocateFrames()
    let object = try test.manager.kmalloc(64)
    let window = PageRange(unchecked: PageNumber(UInt64(0xffff_f000_0000_0000) >> 12), count: PageCount(1))
    let before = test.manager.counters
    probe.atFlush = { [manager = test.manager] in
      #expect(throws: MemoryError.wrongContext) { try manager.vfree(other) }
      #expect(throws: MemoryError.wrongContext) { try manager.vmalloc(1) }
      #expect(throws: MemoryError.wrongContext) { try manager.freeFrames(frame) }
      #expect(throws: MemoryError.wrongContext) { try manager.kmalloc(64) }
      #expect(throws: MemoryError.wrongContext) { try manager.kfree(object) }
      #expect(throws: MemoryError.wrongContext) { try manager.allocateFrames() }
      #expect(throws: MemoryError.wrongContext) { try manager.flushRetired() }
      #expect(throws: MemoryError.wrongContext) {
        try manager.map(window, to: Pages.device, MappingAttributes(.readOnly))
      }
      #expect(!manager.purge())
      manager.serveFlushes()
      // Questions are answered.
      #expect(manager.area(containing: VirtualAddress(other))?.pages.count == PageCount(3))
      return true
    }
    try test.manager.vfree(start.pointer)
    probe.atFlush = { true }
    #expect(probe.flushes == 1)
    let work = test.manager.counters.since(before)
    #expect(work[.freesRefused] == 3)
    #expect(work[.allocationsFailed] == 4)
    #expect(work[.areasFreed] == 1)
    #expect(test.fault(.read, at: start)?.cause == .notPresent)
    #expect(test.fault(.read, at: VirtualAddress(other)) == nil)
    test.expectValid()
    try test.manager.vfree(other)
    try test.manager.freeFrames(frame)
    try test.manager.kfree(object)
    test.expectValid()
    withExtendedLifetime(probe) {}
  }
}
