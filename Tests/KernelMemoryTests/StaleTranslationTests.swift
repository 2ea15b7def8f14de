import MachineSimulator
import Testing

@testable import KernelMemory

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
    number = try #require(test.manager.areas[test.manager.vmallocAreas].find(pages.first))
    for page in 0..<UInt64(9) {
      try test.simulated.store(page, at: VirtualAddress(start.rawValue + page * 4096))
    }
  }

  private var last: VirtualAddress { VirtualAddress(start.rawValue + 9 * 4096) }

  /// The first step of a free, by hand.
  private func clear() -> Detached {
    let area = test.manager.areas.pool[number]
    let isRetired = area.value.move(from: .live, to: .retired, in: area.value.generation)
    #expect(isRetired)
    var emptied = EmptiedTables()
    var detached = test.manager.tables.clear(pages, owned: true, emptied: &emptied)
    var pruned = test.manager.tables.prune(&emptied, limit: .max)
    swap(&pruned.tables, &detached.tables)
    pruned.end()
    return detached
  }

  /// The rest of it.
  private func finish(_ detached: consuming Detached, area: UInt32?) {
    var detached: Detached? = detached
    test.manager.cpus.with { cpu in
      guard let taken = detached.take() else { return }
      test.manager.reclaim.add(taken, pages, area: area, cpu)
      test.manager.reclaim.close(cpu)
    }
    for page in pages.first.rawValue..<pages.end.rawValue {
      #expect(test.fault(.read, at: PageNumber(page))?.cause == .notPresent)
    }
    test.expectValid()
  }

  @Test func framesThatAreFreedBeforeTheFlushAreCaught() {
    var detached = clear()
    var frames = FrameList()
    swap(&frames, &detached.frames)
    free(frames)
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
    var tables = FrameList()
    swap(&tables, &detached.tables)
    free(tables)
    let fault = test.fault(.read, at: last)
    #expect(fault?.cause == .freedFrame)
    #expect(fault?.level == 1)
    #expect(fault?.usedCache == true)
    finish(detached, area: number)
  }

  @Test func addressesThatAreReusedBeforeTheFlushAreCaught() throws {
    let detached = clear()
    test.manager.areas[test.manager.vmallocAreas].release(number)
    let again = try test.manager.vmalloc(10 * 4096)
    #expect(VirtualAddress(again) == start)
    // The new area is mapped, but the CPU still goes to the old one's frames.
    #expect(try test.simulated.translation(of: start).isWritable)
    let fault = test.fault(.read, at: start)
    #expect(fault?.cause == .freedFrame)
    #expect(fault?.usedCache == true)
    // So it does for a page that it has never seen: the walk cache leads to the old table.
    #expect(test.fault(.read, at: last)?.cause == .freedFrame)
    var rest: Detached? = detached
    test.manager.cpus.with { cpu in
      guard let taken = rest.take() else { return }
      test.manager.reclaim.add(taken, pages, area: nil, cpu)
      test.manager.reclaim.close(cpu)
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
    let instance = manager.areas[manager.vmallocAreas]
    probe.atFlush = { [test, number, pages, start] in
      // The entries are gone, and with them the area, as far as its users go …
      #expect(manager.mapping(at: start) == nil)
      #expect(manager.area(containing: start) == nil)
      // … but its frames, its tables and its addresses are nobody's yet.
      #expect(test.framesLeft == framesLeft)
      #expect(manager.areas.pool[number].value.state == .retired)
      #expect(instance.find(pages.first) == number)
      #expect(manager.area(containing: start) == nil)
      return true
    }
    try manager.vfree(start.pointer)
    #expect(probe.flushes == 1)
    #expect(test.framesLeft == framesLeft + 12)
    #expect(instance.find(pages.first) == nil)
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
    try test.manager.map(window, to: FrameNumber(5), MappingAttributes(.readWrite))
    let framesLeft = test.framesLeft
    probe.atFlush = { [test] in
      #expect(test.framesLeft == framesLeft)
      return true
    }
    try test.manager.unmap(window)
    #expect(probe.flushes == 1)
    // Two levels of tables; the one directly below the root stays.
    #expect(test.framesLeft == framesLeft + 2)
    withExtendedLifetime(probe) {}
  }

  /// A second free of the same area, in the middle of the first one, and one of another.
  @Test func freesWithinAFlushAreInOrder() throws {
    let probe = FlushProbe(test)
    let other = try test.manager.vmalloc(3 * 4096)
    try test.simulated.store(UInt64(1), at: VirtualAddress(other))
    var isFirst = true
    probe.atFlush = { [test, start] in
      guard isFirst else { return true }
      isFirst = false
      #expect(throws: MemoryError.badFree(.alreadyFree)) { try test.manager.vfree(start.pointer) }
      #expect(throws: Never.self) { try test.manager.vfree(other) }
      return true
    }
    try test.manager.vfree(start.pointer)
    // The first free's, the same once more for the free inside it, which may not wait for less, and its
    // own.
    #expect(probe.flushes == 3)
    #expect(test.fault(.read, at: start)?.cause == .notPresent)
    #expect(test.fault(.read, at: VirtualAddress(other))?.cause == .notPresent)
    test.expectValid()
    withExtendedLifetime(probe) {}
  }
}
