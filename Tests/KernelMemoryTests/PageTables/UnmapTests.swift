import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

private let place = Pages.free
private let twoMiB = Pages.twoMiB
private let oneGiB = Pages.oneGiB

/// Unmapping, and the tables that come and go with it.
@Suite struct UnmapTests {
  @Test func holesArePassedOver() throws {
    let test = try TestMachine.forMappings()
    try test.unmap(place, 1)
    try test.unmap(place + 5, 3 * oneGiB)
    try test.unmap(1, 2 * place)
    #expect(test.manager.counters[.entriesCleared] == 0)
    #expect(test.manager.counters[.tablesReturned] == 0)
    test.expectValid()

    // Leaves of all sizes with holes around each.
    try test.map(place + 3, 2, to: 1)
    try test.map(place + 2 * twoMiB, twoMiB, to: twoMiB)
    try test.map(place + 5 * twoMiB + 1, 1, to: 7)
    try test.map(place + 2 * oneGiB, oneGiB, to: oneGiB)
    try test.map(place + 4 * oneGiB - 1, 1, to: 9)
    let before = test.manager.counters
    try test.unmap(place, 4 * oneGiB)
    #expect(test.leaves(place, 4 * oneGiB).isEmpty)
    let after = test.manager.counters.since(before)
    #expect(after[.entriesCleared] == 6)
    #expect(after[.leavesSplit] == 0)
    #expect(after[.tablesReturned] == 5, "three of level 0, and those of level 1 above them")
    test.expectValid()
  }

  @Test func aRunThatIsMappedInPartLosesThatPart() throws {
    let test = try TestMachine.forMappings()
    try test.map(place + 10, 10, to: 1000)
    try test.map(place + 30, 10, to: 2000)
    try test.unmap(place + 15, 20)
    let left =
      (0..<5).map { Leaf(place + 10 + $0, 1000 + $0, 1) }
      + (5..<10).map { Leaf(place + 30 + $0, 2000 + $0, 1) }
    #expect(test.leaves(place, oneGiB) == left)
    #expect(test.manager.counters[.entriesCleared] == 10)
    // What was taken away can be mapped again, elsewhere.
    try test.map(place + 15, 20, to: 5000)
    #expect(test.frame(ofPage: place + 34) == 5019)
    #expect(test.frame(ofPage: place + 35) == 2005)
    test.expectValid()
  }

  @Test func tablesAreReturnedWhenTheirLastEntryGoes() throws {
    let test = try TestMachine.forMappings()
    let atFirst = test.tablesByLevel
    let used = test.framesInUse
    // Three pages in one table, and one in the next; a third in another table of level 1.
    let pages = [place, place + 17, place + 511, place + 512, place + oneGiB]
    for (index, page) in pages.enumerated() { try test.map(page, 1, to: UInt64(index)) }
    #expect(test.tablesByLevel == [atFirst[0] + 3, atFirst[1] + 2, atFirst[2] + 1, 1])
    #expect(test.framesInUse == used + 6)
    let expected = [(3, 2), (3, 2), (2, 2), (1, 1), (0, 0)]
    for (page, (level0, level1)) in zip(pages, expected) {
      try test.unmap(page, 1)
      #expect(test.tablesByLevel == [atFirst[0] + level0, atFirst[1] + level1, atFirst[2] + 1, 1])
      test.expectValid()
    }
    #expect(test.framesInUse == used + 1)
    #expect(test.manager.counters[.tablesMade] - test.manager.counters[.tablesReturned] == 2)
  }

  @Test func tablesDirectlyBelowTheRootStay() throws {
    let test = try TestMachine.forMappings()
    let atFirst = test.tablesByLevel
    let root = test.manager.tables.root
    for entry in UInt64(0)..<3 {
      try test.map(place + entry * Pages.rootEntry, oneGiB, to: oneGiB)
      try test.unmap(place + entry * Pages.rootEntry, oneGiB)
      #expect(test.tablesByLevel == [atFirst[0], atFirst[1], atFirst[2] + Int(entry) + 1, 1])
    }
    // Again, and nothing more is needed.
    let before = test.manager.counters
    for entry in UInt64(0)..<3 {
      try test.map(place + entry * Pages.rootEntry, oneGiB, to: oneGiB)
      try test.unmap(place + entry * Pages.rootEntry, oneGiB)
    }
    #expect(test.manager.counters.since(before)[.tablesMade] == 0)
    #expect(test.manager.tables.root == root)
    test.expectValid()
  }

  @Test func aLargeLeafTakesItsTableWithItOnlyIfItWasTheLast() throws {
    let test = try TestMachine.forMappings()
    let atFirst = test.tablesByLevel
    try test.map(place, 2 * twoMiB, to: twoMiB)
    #expect(test.tablesByLevel == [atFirst[0], atFirst[1] + 1, atFirst[2] + 1, 1])
    try test.unmap(place, twoMiB)
    #expect(test.tablesByLevel == [atFirst[0], atFirst[1] + 1, atFirst[2] + 1, 1])
    try test.unmap(place + twoMiB, twoMiB)
    #expect(test.tablesByLevel == [atFirst[0], atFirst[1], atFirst[2] + 1, 1])
    test.expectValid()
  }

  @Test func aPinnedTableIsNotPruned() throws {
    let test = try TestMachine.forMappings()
    let tables = test.manager.tables
    // A mapping of one page is being made: its tables are in place, its entry is not.
    let page = PageRange(place + 5, 1)
    #expect(try tables.tablesMissing(for: page) == 3)
    var source = try test.makeTableSource(3)
    #expect(tables.pin(page, from: &source).made == 3)
    let pinned = test.tablesByLevel
    // Neighbours come and go, in the same table and through its parents.
    for (first, count) in [(place + 6, 1), (place, twoMiB), (place + twoMiB, 1), (place + oneGiB, 1)] {
      if first != place { try test.map(first, count, to: 1) }
      try test.unmap(first, count)
      #expect(test.tablesByLevel == pinned)
    }
    var leaves = LeafRun(FrameNumber(77))
    #expect(tables.write(page, MappingAttributes(.readWrite), from: &leaves) == 1)
    #expect(test.frame(ofPage: place + 5) == 77)
    test.expectValid()
    // Without the pin it goes with its last entry.
    try test.unmap(place + 5, 1)
    #expect(test.tablesByLevel == [pinned[0] - 1, pinned[1] - 1, pinned[2], 1])
    test.expectValid()
  }

  @Test func twoPinsMustBothGo() throws {
    let test = try TestMachine.forMappings()
    let tables = test.manager.tables
    let pages = [PageRange(place, 1), PageRange(place + 1, 1)]
    var source = try test.makeTableSource(3)
    for page in pages { _ = tables.pin(page, from: &source) }
    #expect(source.frames.isEmpty)
    var leaves = LeafRun(FrameNumber(1))
    _ = tables.write(pages[0], MappingAttributes(.readWrite), from: &leaves)
    let pinned = test.tablesByLevel
    try test.unmap(place, 1)
    #expect(test.tablesByLevel == pinned)
    _ = tables.write(pages[1], MappingAttributes(.readWrite), from: &leaves)
    try test.unmap(place, 2)
    #expect(test.tablesByLevel[0] == pinned[0] - 1)
    test.expectValid()
  }

  @Test func aTableInUseIsNotReplacedByALargeLeafUntilItIsEmpty() throws {
    let test = try TestMachine.forMappings()
    try test.map(place + 5, 1, to: 1)
    test.expectRefused(.alreadyMapped(VirtualAddress(place << 12))) {
      try test.map(place, twoMiB, to: twoMiB)
    }
    test.expectRefused(.alreadyMapped(VirtualAddress(place << 12))) {
      try test.map(place, oneGiB, to: oneGiB)
    }
    try test.unmap(place + 5, 1)
    try test.map(place, oneGiB, to: oneGiB)
    #expect(test.leaves(place, 1) == [Leaf(place, oneGiB, oneGiB)])
    test.expectValid()
  }
}
