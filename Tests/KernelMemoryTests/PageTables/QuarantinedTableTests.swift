import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// A table without pins stays where it is until every CPU has flushed, and is used again where it is needed
/// before that.
@Suite struct QuarantinedTableTests {
  /// Two CPUs, of which the second does not answer interrupts until it is told to.
  private let test: TestMachine
  private let other: UnsafeMutableRawPointer
  private let tablesBefore: [Int]
  /// Those below the root, which stay.
  private let madeBefore: UInt64

  /// An area of a table's size, which both CPUs have touched.
  init() throws {
    test = try TestMachine(mode: .lazy, cpuCount: 2)
    tablesBefore = test.tablesByLevel
    madeBefore = test.manager.counters[.tablesMade]
    other = try test.manager.vmalloc(400 * 4096)
    let address = VirtualAddress(other)
    try test.simulated.store(UInt64(1), at: address)
    _ = try test.simulated.onCPU(1) { try test.simulated.load(UInt64.self, at: address) }
  }

  private func serve() {
    test.simulated.onCPU(1) { test.manager.serveFlushes() }
  }

  /// Frees the area; its tables are quarantined, and the second CPU has them in its caches.
  private func rest() throws {
    test.simulated.onNotify = { _ in }
    try test.manager.vfree(other)
    #expect(test.manager.purge(budget: 1000))
    #expect(test.manager.frame(at: VirtualAddress(other)) == nil)
    #expect(test.tablesByLevel == tablesBefore)
    #expect(test.manager.counters[.tablesReturned] == 0)
  }

  @Test func isFreeAfterTheFlush() throws {
    try rest()
    test.expectValid()
    #expect(test.manager.purge(budget: 1000))
    #expect(test.manager.counters[.tablesReturned] == 0)
    serve()
    while test.manager.purge(budget: 1000) { serve() }
    #expect(test.manager.counters[.tablesReturned] == test.manager.counters[.tablesMade] - madeBefore)
    test.expectValid()
  }

  /// What `afterMap` was told of tables.
  nonisolated(unsafe) private static var saidOfTables: [Bool] = []

  @Test func isRevivedBeforeTheFlush() throws {
    try rest()
    let made = test.manager.counters[.tablesMade]
    // An entry that names a table is new to a walker that remembers it as absent.
    Self.saidOfTables = []
    test.manager.machine.value.afterMap = { _, _, madeTables in Self.saidOfTables.append(madeTables) }
    defer { #expect(Self.saidOfTables.contains(true)) }
    var options = VmallocOptions()
    // Behind the freed area, which nobody can have yet, in the same table.
    options.address = VirtualAddress(VirtualAddress(other).rawValue + 401 * 4096)
    let neighbour = VirtualAddress(try test.manager.vmalloc(4096, options))
    #expect(test.manager.counters[.tablesMade] == made)
    try test.simulated.store(UInt64(7), at: neighbour)
    // The second CPU gets there by its walk cache.
    #expect(try test.simulated.onCPU(1) { try test.simulated.load(UInt64.self, at: neighbour) } == 7)
    test.expectValid()
    serve()
    while test.manager.purge(budget: 1000) { serve() }
    #expect(test.manager.counters[.tablesReturned] == 0)
    #expect(try test.simulated.load(UInt64.self, at: neighbour) == 7)
    test.expectValid()
  }

  /// Revived and emptied again before its first flush: it takes another one.
  @Test func mayRestTwice() throws {
    try rest()
    var options = VmallocOptions()
    options.address = VirtualAddress(VirtualAddress(other).rawValue + 401 * 4096)
    options.guardPages = 100
    try test.manager.vfree(try test.manager.vmalloc(80 * 4096, options))
    serve()
    #expect(test.manager.purge(budget: 1000))
    #expect(test.manager.counters[.tablesReturned] == 0)
    while test.manager.purge(budget: 1000) { serve() }
    #expect(test.manager.counters[.tablesReturned] == test.manager.counters[.tablesMade] - madeBefore)
    test.expectValid()
  }

  /// Maps a page, and unmaps it again: the table that it was in is empty.
  private func emptyTable(at page: PageNumber) throws {
    let pages = PageRange(unchecked: page, count: PageCount(1))
    try test.manager.map(pages, to: Pages.device, MappingAttributes(.readWrite))
    try test.manager.unmap(pages)
  }

  /// A large leaf cannot stand where a table rests: the call has the flush made first.
  @Test func givesWayToALargeLeaf() throws {
    test.simulated.onNotify = { [manager = test.manager] _ in manager.serveFlushes() }
    let window = PageRange(unchecked: PageNumber(UInt64(0xffff_f000_0000_0000) >> 12), count: PageCount(512))
    try emptyTable(at: window.first)
    // The table that this has emptied rests: its flush is not asked for.
    try test.manager.map(window, to: Pages.device, MappingAttributes(.readWrite))
    #expect(test.manager.mapping(at: window.first.address(.size4K))?.pages == window)
    test.expectValid()
  }

  /// So does one that was revived, and was emptied again before the flush of its first quarantine was
  /// complete: its entry is present, and leads to nothing.
  @Test func givesWayToALargeLeafWhenItWasRevivedAndEmptied() throws {
    test.simulated.onNotify = { [manager = test.manager] _ in manager.serveFlushes() }
    let window = PageRange(unchecked: PageNumber(UInt64(0xffff_f000_0000_0000) >> 12), count: PageCount(512))
    for _ in 0..<2 { try emptyTable(at: window.first) }
    try test.manager.map(window, to: Pages.device, MappingAttributes(.readWrite))
    #expect(test.manager.mapping(at: window.first.address(.size4K))?.pages == window)
    try test.manager.unmap(window)
    // The table above it is the same case for a leaf of its size.
    let giant = PageRange(unchecked: window.first, count: PageCount(1 << 18))
    for _ in 0..<2 { try emptyTable(at: window.first) }
    try test.manager.map(giant, to: Pages.device, MappingAttributes(.readWrite))
    #expect(test.manager.mapping(at: window.first.address(.size4K))?.pages == giant)
    test.expectValid()
  }

  /// A table waits for those below it, which another CPU has to take away, and asks for no flush meanwhile:
  /// an idle loop comes to its end.
  @Test func waitsForTablesOfOthersWithoutWork() throws {
    let test = try TestMachine(mode: .lazy, cpuCount: 2)
    let manager = test.manager
    var options = VmallocOptions()
    // Two lowest tables below one that has nothing else.
    let start = TestMachine.vmallocStart.rawValue + (1 << 20)
    let areas = try (0..<2).map { cpu in
      options.address = PageNumber(start + UInt64(cpu) << 9).address(.size4K)
      return try manager.vmalloc(400 * 4096, options)
    }
    let used = test.framesInUse
    // The first CPU has asked for its flush, and does not come back to it.
    try manager.vfree(areas[0])
    #expect(manager.purge(budget: 1000))
    try test.simulated.onCPU(1) {
      try manager.vfree(areas[1])
      var steps = 0
      while manager.purge(budget: 1000), steps < 100 { steps += 1 }
      #expect(steps < 10)
    }
    try manager.flushRetired()
    #expect(test.framesInUse == used - 803)
    test.expectValid()
  }

  @Test func framesOfTablesStayCleared() throws {
    while test.manager.purge(budget: 1000) { serve() }
    test.simulated.onNotify = { [manager = test.manager] _ in manager.serveFlushes() }
    try test.manager.vfree(other)
    while test.manager.purge(budget: 1000) { serve() }
    test.expectValid()
    let cleared = (0..<ZoneKind.count).map { test.manager.frames.cleared(0, $0).value.count }.reduce(0, +)
    #expect(cleared == 2)
    try test.manager.vfree(try test.manager.vmalloc(400 * 4096))
    test.expectValid()
  }
}
