import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct VmallocCountersTests {
  /// What one pair of vmalloc and vfree counts on a machine that flushes ranges of up to 64 pages.
  struct Pair: Sendable {
    let pages: UInt64
    let tables: UInt64
    let flush: Counter
    var largeLeaves: UInt64 = 0
    var entries: UInt64 { pages - 511 * largeLeaves }
  }

  static let pairs = [
    Pair(pages: 1, tables: 2, flush: .flushesOfPage), Pair(pages: 2, tables: 2, flush: .flushesOfRanges),
    Pair(pages: 64, tables: 2, flush: .flushesOfRanges), Pair(pages: 65, tables: 2, flush: .flushesOfAll),
    Pair(pages: 512, tables: 2, flush: .flushesOfAll), Pair(pages: 513, tables: 3, flush: .flushesOfAll),
    Pair(pages: 1025, tables: 4, flush: .flushesOfAll),
    Pair(pages: 512, tables: 1, flush: .flushesOfAll, largeLeaves: 1),
    Pair(pages: 513, tables: 2, flush: .flushesOfAll, largeLeaves: 1),
    Pair(pages: 1025, tables: 2, flush: .flushesOfAll, largeLeaves: 2),
  ]

  @Test(arguments: pairs)
  func aPairCountsItself(pair: Pair) throws {
    let test = try TestMachine(ram: [.small])
    let start = test.manager.counters
    var options = VmallocOptions()
    options.leaves = pair.largeLeaves > 0 ? .largeWherePossible : .base
    let pointer = try test.manager.vmalloc(Int(pair.pages) * 4096, options)
    let made = test.manager.counters.since(start)
    let expectedMade: [Counter: UInt64] = [
      .entriesWritten: pair.entries, .tablesMade: pair.tables, .areasAllocated: 1,
      .pagesAllocated: pair.pages,
    ]
    expect(made, expectedMade)
    let middle = test.manager.counters
    let flushed = test.simulated.counters
    try test.manager.vfree(pointer)
    let expectedFreed: [Counter: UInt64] = [
      .entriesCleared: pair.entries, .tablesReturned: pair.tables, .areasFreed: 1, .pagesFreed: pair.pages,
      pair.flush: 1,
    ]
    expect(test.manager.counters.since(middle), expectedFreed)
    expectFlushed(pair, test.simulated.counters, since: flushed)
  }

  private func expect(_ counters: Counters, _ expected: [Counter: UInt64]) {
    let all: [Counter] = [
      .entriesWritten, .entriesCleared, .tablesMade, .tablesReturned, .leavesSplit, .flushesOfPage,
      .flushesOfRanges, .flushesOfAll, .areasAllocated, .areasFreed, .pagesAllocated, .pagesFreed,
      .allocationsFailed, .freesRefused,
    ]
    for counter in all { #expect(counters[counter] == expected[counter] ?? 0, "\(counter)") }
  }

  /// What the machine was asked for is what was counted.
  private func expectFlushed(_ pair: Pair, _ new: MachineCounters, since old: MachineCounters) {
    let isFull = pair.flush == .flushesOfAll
    #expect(new.fullFlushes - old.fullFlushes == (isFull ? 1 : 0))
    #expect(new.rangeFlushes - old.rangeFlushes == (isFull ? 0 : 1))
    #expect(new.pageInvalidations - old.pageInvalidations == (isFull ? 0 : pair.pages))
  }

  /// A table that a neighbour still uses is neither made again nor returned.
  @Test func sharedTablesAreMadeOnce() throws {
    let test = try TestMachine(ram: [.small])
    let start = test.manager.counters
    let first = try test.manager.vmalloc(4096)
    let second = try test.manager.vmalloc(4096)
    #expect(test.manager.counters.since(start)[.tablesMade] == 2)
    try test.manager.vfree(first)
    #expect(test.manager.counters.since(start)[.tablesReturned] == 0)
    try test.manager.vfree(second)
    #expect(test.manager.counters.since(start)[.tablesReturned] == 2)
  }

  @Test func tagsAreCharged() throws {
    let test = try TestMachine(ram: [.small])
    var options = VmallocOptions()
    options.tag = try test.manager.makeTag(named: "driver")
    let other = try test.manager.makeTag(named: "other")
    let first = try test.manager.vmalloc(3 * 4096, options)
    options.guardPages = 100
    let second = try test.manager.vmalloc(1, options)
    let untagged = try test.manager.vmalloc(2 * 4096)
    expectUsage(test, options.tag, areas: (2, 0), pages: (4, 0))
    expectUsage(test, .untagged, areas: (1, 0), pages: (2, 0))
    try test.manager.vfree(first)
    try test.manager.vfree(untagged)
    expectUsage(test, options.tag, areas: (2, 1), pages: (4, 3))
    expectUsage(test, .untagged, areas: (1, 1), pages: (2, 2))
    try test.manager.vfree(second)
    expectUsage(test, options.tag, areas: (2, 2), pages: (4, 4))
    expectUsage(test, other, areas: (0, 0), pages: (0, 0))
    #expect(test.manager.usage(of: Tag(index: 200)) == TagUsage())
  }

  private func expectUsage(
    _ test: TestMachine, _ tag: KernelMemory.Tag, areas: (UInt64, UInt64), pages: (UInt64, UInt64),
    _ location: SourceLocation = #_sourceLocation
  ) {
    let usage = test.manager.usage(of: tag)
    var expected = TagUsage(
      areasAllocated: areas.0, areasFreed: areas.1, pagesAllocated: pages.0, pagesFreed: pages.1,
      bytesAllocated: pages.0 * 4096, bytesFreed: pages.1 * 4096)
    // What is promised of peaks, `TagUsageTests` tests.
    expected.peakBytes = usage.peakBytes
    expected.peakAreas = usage.peakAreas
    #expect(usage == expected, sourceLocation: location)
    #expect(usage.liveAreas == areas.0 - areas.1, sourceLocation: location)
    #expect(usage.livePages == pages.0 - pages.1, sourceLocation: location)
  }

  @Test func thereAreNoMoreTagsThanTheTableHolds() throws {
    let test = try TestMachine(ram: [.small])
    for number in 1..<Tags.capacity {
      #expect(try test.manager.makeTag(named: "tag").index == UInt16(number))
    }
    test.expectRefused(.tagsExhausted(limit: Tags.capacity)) { _ = try test.manager.makeTag(named: "more") }
  }
}
