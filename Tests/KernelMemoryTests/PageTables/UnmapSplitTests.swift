import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

private let place = Pages.free
private let twoMiB = Pages.twoMiB
private let oneGiB = Pages.oneGiB

/// Unmapping a part of a large leaf.
@Suite struct UnmapSplitTests {
  private static let attributes = [
    MappingAttributes(.readWrite), MappingAttributes(.readExecute, cache: .writeThrough, isGlobal: false),
    MappingAttributes(.writableExecutable, cache: .uncached),
    MappingAttributes(.readOnly, cache: .writeCombining),
  ]

  @Test func partsOf2MiB() throws {
    let parts: [Range<UInt64>] = [
      0..<1, 511..<512, 200..<300, 0..<511, 1..<512, 1..<511, 0..<256, 256..<512, 255..<257, 0..<512,
    ]
    for (index, part) in parts.enumerated() {
      try check(part: part, of: twoMiB, Self.attributes[index % 4])
    }
  }

  @Test func partsOf1GiB() throws {
    let end = oneGiB
    let parts: [Range<UInt64>] = [
      0..<1, end - 1..<end, 100_000..<100_001, 0..<twoMiB, end - twoMiB..<end, 1024..<1536, 511..<513,
      5..<twoMiB, 5..<twoMiB + 7, 3 * twoMiB + 5..<7 * twoMiB + 9, 3 * twoMiB..<7 * twoMiB + 9,
      3 * twoMiB + 5..<7 * twoMiB, 1..<end - 1, 0..<end - 1, 1..<end, 0..<end, 700..<710,
    ]
    for (index, part) in parts.enumerated() {
      try check(part: part, of: oneGiB, Self.attributes[index % 4])
    }
  }

  @Test(arguments: RandomTests.seeds(8))
  func randomParts(seed: UInt64) throws {
    var random = Randomness(seed: seed)
    for _ in 0..<6 {
      let size = random.element(of: [twoMiB, oneGiB])
      let granule = random.element(of: [1, 1, 64, twoMiB])
      let edges = [random.below(size / granule + 1), random.below(size / granule + 1)].map { $0 * granule }
      let (first, end) = (min(edges[0], edges[1]), max(edges[0], edges[1]))
      guard first < end else { continue }
      try check(part: first..<end, of: size, random.element(of: Self.attributes))
    }
  }

  /// How many tables unmapping `part` of a leaf takes, by looking at each smaller leaf at the part's edges.
  private func splits(_ part: Range<UInt64>, of size: UInt64) -> Int {
    guard part != 0..<size else { return 0 }
    guard size == oneGiB else { return 1 }
    let cut = [part.lowerBound, part.upperBound].filter { $0 % twoMiB != 0 }.map { $0 / twoMiB }
    return 1 + Set(cut).count
  }

  /// Maps a leaf of `size` pages, unmaps a part of it, and looks at all that is left.
  private func check(part: Range<UInt64>, of size: UInt64, _ attributes: MappingAttributes) throws {
    let test = try TestMachine.forMappings()
    let base = place + 3 * oneGiB
    let frame = 7 * oneGiB
    try test.map(base, size, to: frame, attributes)
    #expect(test.leaves(base, size).count == 1)
    let before = test.manager.counters
    let tables = test.tablesByLevel.reduce(0, +)
    let hole = PageRange(base + part.lowerBound, UInt64(part.count))
    let expected = splits(part, of: size)
    #expect(try test.manager.tables.tablesToSplit(hole) == expected)

    try test.manager.unmap(hole)
    let after = test.manager.counters.since(before)
    #expect(after[.leavesSplit] == UInt64(expected), "\(part) of \(size)")
    #expect(after[.tablesMade] == UInt64(expected))
    #expect(after[.entriesWritten] == 0)
    if expected > 0 {
      #expect(after[.tablesReturned] == 0)
      #expect(test.tablesByLevel.reduce(0, +) == tables + expected)
    }
    // The leaves that are left tile the rest, to the same frames.
    var next: UInt64 = part.lowerBound == 0 ? part.upperBound : 0
    test.manager.tables.visit(PageRange(base, size)) { leaf in
      #expect(leaf.pages.first.rawValue == base + next)
      #expect(leaf.frame.rawValue == frame + next)
      #expect(leaf.attributes == attributes)
      next += leaf.pages.count.rawValue
      if next == part.lowerBound { next = part.upperBound }
    }
    #expect(next == size)
    for page in Array(part.prefix(3)) + part.suffix(3) { #expect(test.frame(ofPage: base + page) == nil) }
    test.expectValid()

    try test.unmap(base, size)
    // The leaf's own table goes, unless it is directly below the root.
    #expect(test.tablesByLevel.reduce(0, +) == tables - (size == twoMiB ? 1 : 0))
    test.expectValid()
  }

  @Test func oneRunMayCutTwoLeaves() throws {
    let test = try TestMachine.forMappings()
    // 1 GiB, then a hole of 2 MiB, then 2 MiB; cut from inside the first to inside the last.
    try test.map(place, oneGiB, to: oneGiB)
    try test.map(place + oneGiB + twoMiB, twoMiB, to: twoMiB)
    let hole = PageRange(place + oneGiB - twoMiB - 1, 3 * twoMiB + 1 - 500)
    #expect(try test.manager.tables.tablesToSplit(hole) == 3)
    try test.manager.unmap(hole)
    #expect(test.manager.counters[.leavesSplit] == 3)
    let leaves = test.leaves(place, 2 * oneGiB)
    #expect(leaves.reduce(0) { $0 + $1.count } == oneGiB - twoMiB - 1 + 500)
    #expect(leaves.last == Leaf(place + oneGiB + 2 * twoMiB - 1, 2 * twoMiB - 1, 1))
    test.expectValid()
  }

  @Test func splittingTwiceTakesNoTableTwice() throws {
    let test = try TestMachine.forMappings()
    try test.map(place, oneGiB, to: oneGiB)
    try test.unmap(place + 1000, 1)
    #expect(test.manager.counters[.leavesSplit] == 2)
    try test.unmap(place + 1001, 1)
    #expect(test.manager.counters[.leavesSplit] == 2)
    try test.unmap(place + 2000, 1)
    #expect(test.manager.counters[.leavesSplit] == 3)
    // Edges that lie in holes and on the borders of smaller leaves need nothing.
    #expect(try test.manager.tables.tablesToSplit(PageRange(place + 1000, 1)) == 0)
    #expect(try test.manager.tables.tablesToSplit(PageRange(place + 512, 1024)) == 0)
    #expect(try test.manager.tables.tablesToSplit(PageRange(place + 1000, 1)) == 0)
    #expect(try test.manager.tables.tablesToSplit(PageRange(place + 5, 0)) == 0)
    test.expectValid()
  }

  @Test func tooFewFramesToSplitLeaveEverythingMapped() throws {
    let test = try TestMachine.forMappings()
    try test.map(place, 2 * oneGiB, to: oneGiB)
    // From inside one leaf of 1 GiB to inside the next: two tables each.
    let (first, count) = (place + oneGiB - 5, UInt64(10))
    for left in UInt64(0)..<4 {
      try test.withFramesLeft(left) {
        test.expectRefused(.tablesExhausted(got: PageCount(left), of: PageCount(4))) {
          try test.unmap(first, count)
        }
      }
    }
    try test.withFramesLeft(4) { try test.unmap(first, count) }
    #expect(test.manager.counters[.leavesSplit] == 4)
    #expect(test.frame(ofPage: first - 1) == 2 * oneGiB - 6)
    #expect(test.frame(ofPage: first) == nil)
    #expect(test.frame(ofPage: first + 10) == 2 * oneGiB + 5)
    test.expectValid()
  }

  @Test func theRestIsStillTranslatedByTheCPU() throws {
    // RAM that the manager does not manage, mapped by one leaf of 1 GiB.
    let ram = [RAMRegion.small, RAMRegion(PhysicalAddress(8 << 30), byteCount: 1 << 30)]
    let map = MemoryMap()
    try map.add(.usable, at: ram[0].start, byteCount: ram[0].byteCount)
    let test = try TestMachine(ram: ram, map: map, vmallocPages: 1 << 20)
    try test.map(place, oneGiB, to: 8 * oneGiB)
    let pages = [0, 4, 6, 511, 512, 1024, oneGiB - 1].map { place + $0 }
    for page in pages { try test.simulated.store(page, at: PageNumber(page).address(.size4K)) }
    try test.unmap(place + 5, 1)
    for page in pages {
      #expect(try test.simulated.load(UInt64.self, at: PageNumber(page).address(.size4K)) == page)
    }
    #expect(test.fault(.read, at: PageNumber(place + 5))?.cause == .notPresent)
  }
}
