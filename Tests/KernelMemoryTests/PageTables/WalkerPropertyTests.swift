import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// What holds of the walker whatever is mapped.
@Suite struct WalkerPropertyTests {
  @Test(arguments: RandomTests.seeds(3), TestFormat.allCases)
  func randomMappingsAgreeWithAList(seed: UInt64, format: TestFormat) throws {
    var oracle = try MappingOracle(seed: seed, format)
    try oracle.run(steps: 60, comparingEach: 6)
  }

  @Test(arguments: RandomTests.seeds(3), TestFormat.allCases)
  func tablesThatAreMissingAreThoseThatPinMakes(seed: UInt64, format: TestFormat) throws {
    var oracle = try MappingOracle(seed: seed, format)
    let tables = oracle.test.manager.tables
    var made = 0
    for _ in 0..<20 {
      for _ in 0..<2 { try oracle.step() }
      // Free pages somewhere: pin, count, write, unmap.
      let (pages, frame) = oracle.randomFreeRun()
      let missing = try tables.tablesMissing(for: pages, frame: frame, checkingLeaves: true)
      #expect(try tables.tablesMissing(for: pages, frame: frame) == missing)
      let before = oracle.test.tablesByLevel.reduce(0, +)
      var source = try oracle.test.makeTableSource(missing)
      #expect(tables.pin(pages, frame: frame, from: &source).made == missing)
      #expect(source.frames.isEmpty, "fewer tables were made than foretold")
      #expect(oracle.test.tablesByLevel.reduce(0, +) == before + missing)
      // With the tables in place nothing is missing any more.
      #expect(try tables.tablesMissing(for: pages, frame: frame, checkingLeaves: true) == 0)
      made += missing
      if let frame {
        var leaves = LeafRun(frame)
        _ = tables.write(pages, frame: frame, MappingAttributes(.readWrite), from: &leaves)
      } else {
        // Every second frame, as if they came from anywhere.
        var leaves = ScatteredLeaves(next: oracle.frames.lowerBound)
        _ = tables.write(pages, MappingAttributes(.readWrite), from: &leaves)
      }
      try oracle.test.manager.unmap(pages)
    }
    #expect(oracle.difference() == nil)
    #expect(made > 0)
  }

  @Test(arguments: RandomTests.seeds(2), TestFormat.allCases)
  func visitsAndQueriesSeeTheSame(seed: UInt64, format: TestFormat) throws {
    var oracle = try MappingOracle(seed: seed, format)
    let tables = oracle.test.manager.tables
    for _ in 0..<12 {
      for _ in 0..<3 { try oracle.step() }
      var all: [MappedRange] = []
      oracle.test.manager.forEachMapping { all.append($0) }
      // In address order, and none twice.
      for (lower, upper) in zip(all, all.dropFirst()) { #expect(lower.pages.end <= upper.pages.first) }
      for leaf in all.prefix(2000) {
        #expect(tables.query(leaf.pages.first) == leaf)
        #expect(tables.query(PageNumber(leaf.pages.end.rawValue - 1)) == leaf)
      }
      // A part of the address space: the leaves of all that have a page in it.
      let first = oracle.arena.lowerBound + oracle.random.below(UInt64(oracle.arena.count))
      let part = PageRange(first, 1 + oracle.random.below(2 * format.hugeSpan))
      var visited: [MappedRange] = []
      tables.visit(part) { visited.append($0) }
      let same = visited == all.filter { $0.pages.overlaps(part) }
      #expect(same, "\(part)")
    }
    tables.visit(PageRange(oracle.arena.lowerBound, 0)) { _ in Issue.record("no page has no leaf") }
  }

  private struct ScatteredLeaves: LeafSource {
    var next: UInt64
    mutating func nextLeaf(span: UInt64) -> FrameNumber {
      #expect(span == 1, "single frames are mapped by single leaves")
      next += 2
      return FrameNumber(next)
    }
  }
}

extension MappingOracle {
  /// A run of pages that nothing is mapped at, and frames for it: one after the other, or nil for any.
  fileprivate mutating func randomFreeRun() -> (PageRange, FrameNumber?) {
    while true {
      let granule = random.element(of: granules)
      let first = (arena.lowerBound + random.below(UInt64(arena.count))) / granule * granule
      guard segment(of: first) == nil else { continue }
      let end = segments.first { $0.pages.lowerBound > first }?.pages.lowerBound ?? arena.upperBound
      let kind = random.below(3)
      // Runs of small leaves are kept short.
      let longest = kind == 0 ? 2 * format.hugeSpan : 1500
      let count = min(end - first, 1 + random.below(longest))
      let frame: FrameNumber? =
        switch kind {
        case 0: FrameNumber(frames.lowerBound + first % format.hugeSpan)
        case 1: FrameNumber(frames.lowerBound + random.below(format.hugeSpan))
        default: nil
        }
      return (PageRange(first, count), frame)
    }
  }
}
