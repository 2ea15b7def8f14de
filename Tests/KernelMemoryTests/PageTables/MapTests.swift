import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

private let place = Pages.free
private let twoMiB = Pages.twoMiB
private let oneGiB = Pages.oneGiB

@Suite struct MapTests {
  // MARK: Leaves

  @Test func leavesAreAsLargeAsAlignmentAndLengthAllow() throws {
    let test = try TestMachine.forMappings()
    // Two pages short of a 2 MiB boundary, two large leaves short of a 1 GiB boundary, and the same behind.
    let first = place + oneGiB - 2 * twoMiB - 2
    let count = 2 + 2 * twoMiB + oneGiB + 2 * twoMiB + 3
    let frame = 5 * oneGiB - 2 * twoMiB - 2
    try test.map(first, count, to: frame)
    let expected: [(UInt64, UInt64)] = [
      (0, 1), (1, 1), (2, twoMiB), (2 + twoMiB, twoMiB), (2 + 2 * twoMiB, oneGiB),
      (2 + 2 * twoMiB + oneGiB, twoMiB), (2 + 3 * twoMiB + oneGiB, twoMiB), (count - 3, 1), (count - 2, 1),
      (count - 1, 1),
    ]
    #expect(test.leaves(first, count) == expected.map { Leaf(first + $0.0, frame + $0.0, $0.1) })
    #expect(test.manager.counters[.entriesWritten] == UInt64(expected.count))
    test.expectValid()
  }

  @Test func withoutGigabyteLeavesTheyAreOf2MiB() throws {
    let test = try TestMachine.forMappings(format: .fourLevelsWithoutGigabyteLeaves)
    try test.map(place, oneGiB + 1, to: oneGiB)
    let leaves = test.leaves(place, oneGiB + 1)
    #expect(leaves.count == 513)
    for (index, leaf) in leaves.dropLast().enumerated() {
      #expect(leaf == Leaf(place + UInt64(index) * twoMiB, oneGiB + UInt64(index) * twoMiB, twoMiB))
    }
    #expect(leaves.last == Leaf(place + oneGiB, 2 * oneGiB, 1))
    test.expectValid()
  }

  @Test func theLargestLeafDependsOnPageAndFrameAndLength() throws {
    let cases: [(page: UInt64, frame: UInt64, count: UInt64, largest: UInt64)] = [
      // Pages whose frames are aligned to less than they are, and the other way round.
      (0, 1, 2000, 1), (1, 0, 2000, 1), (0, 256, 2048, 1), (256, 0, 2048, 1), (0, twoMiB, oneGiB, twoMiB),
      (twoMiB, 0, oneGiB, twoMiB),
      // Both alike.
      (3, 3, 1024, twoMiB), (twoMiB, twoMiB, oneGiB, twoMiB), (0, 0, oneGiB, oneGiB),
      (twoMiB, twoMiB, 2 * oneGiB, oneGiB),
      // One page too few.
      (0, 0, oneGiB - 1, twoMiB), (0, 0, twoMiB - 1, 1), (1, 1, 2 * twoMiB - 2, 1),
    ]
    for (page, frame, count, largest) in cases {
      let test = try TestMachine.forMappings()
      try test.map(place + page, count, to: oneGiB + frame)
      let leaves = test.leaves(place + page, count)
      #expect(leaves.map(\.count).max() == largest, "page \(page), frame \(frame), \(count) pages")
      #expect(leaves.reduce(0) { $0 + $1.count } == count)
      #expect(leaves.first?.page == place + page)
      for leaf in leaves { #expect(leaf.frame &- leaf.page == oneGiB &+ frame &- place &- page) }
      test.expectValid()
    }
  }

  @Test func attributesAreKeptAtEverySize() throws {
    let test = try TestMachine.forMappings()
    let protections = [Protection.readOnly, .readWrite, .readExecute, .writableExecutable]
    let types = [CacheType.writeBack, .writeCombining, .uncachedMinus, .uncached, .writeThrough]
    var page = place
    for protection in protections {
      for type in types {
        for (isGlobal, count) in [(true, 1), (false, twoMiB), (true, oneGiB)] {
          page = (page + count - 1) & ~(count - 1)
          let attributes = MappingAttributes(protection, cache: type, isGlobal: isGlobal)
          try test.map(page, count, to: page, attributes)
          let mapping = test.mapping(ofPage: page + count - 1)
          #expect(mapping?.attributes == attributes)
          #expect(mapping?.pages == PageRange(page, count))
          #expect(mapping?.frame == FrameNumber(page))
          page += count
        }
      }
    }
    test.expectValid()
  }

  @Test func runsAcrossRootEntriesAndAtTheEdgesOfTheHalves() throws {
    let test = try TestMachine.forMappings()
    let half = UInt64(1) << 35
    let top = UInt64(1) << 52
    for (first, count) in [
      (place + Pages.rootEntry - 3, 6), (place + 3 * Pages.rootEntry - oneGiB, 2 * oneGiB), (1, 2),
      (half - 3, 3), (top - half, 5), (top - 7, 7),
    ] as [(UInt64, UInt64)] {
      let frame = first & 0xff_ffff
      try test.map(first, count, to: frame)
      for page in [first, first + count / 2, first + count - 1] {
        #expect(test.frame(ofPage: page) == page - first + frame)
      }
      if first > 1 { #expect(test.mapping(ofPage: first - 1) == nil) }
      test.expectValid()
      try test.unmap(first, count)
      #expect(test.leaves(first, count).isEmpty)
    }
    test.expectValid()
  }

  // MARK: Refusals

  @Test func aPageThatIsMappedIsRefusedWhereverItLies() throws {
    let test = try TestMachine.forMappings()
    // One small leaf, one of 2 MiB, one of 1 GiB.
    try test.map(place + 700, 1, to: 9)
    try test.map(place + 4 * twoMiB, twoMiB, to: twoMiB)
    try test.map(place + 2 * oneGiB, oneGiB, to: oneGiB)
    let runs: [(first: UInt64, count: UInt64, frame: UInt64)] = [
      // The small leaf first, last, in the middle; under one of 2 MiB, and under one of 1 GiB.
      (700, 1, 1), (700, 50, 1), (650, 51, 1), (100, 1500, 7), (twoMiB, twoMiB, twoMiB), (0, oneGiB, oneGiB),
      // The leaf of 2 MiB: its first page, its last page, inside it, all of it, as a part of 1 GiB.
      (4 * twoMiB - 5, 6, 1), (5 * twoMiB - 1, 3, 1), (4 * twoMiB + 7, 9, 1),
      (4 * twoMiB, twoMiB, 8 * twoMiB),
      (3 * twoMiB, 2 * twoMiB, twoMiB), (4 * twoMiB, 1, 0),
      // The leaf of 1 GiB.
      (2 * oneGiB - 1, 2, 1), (3 * oneGiB - 1, 1, 1), (2 * oneGiB, oneGiB, oneGiB), (oneGiB, 2 * oneGiB, 0),
      (2 * oneGiB + twoMiB, twoMiB, 0), (2 * oneGiB + 77, 5, 5),
    ]
    for run in runs {
      let before = Snapshot(of: test.manager)
      #expect(throws: (any Error).self, "\(run)") {
        try test.map(place + run.first, run.count, to: run.frame)
      }
      test.expectUnchanged(since: before)
    }
    test.expectRefused(.alreadyMapped(VirtualAddress((place + 700) << 12))) {
      try test.map(place + 650, 51, to: 1)
    }
    test.expectRefused(.alreadyMapped(VirtualAddress((place + 2 * oneGiB + 77) << 12))) {
      try test.map(place + 2 * oneGiB + 77, 5, to: 1)
    }
    // Their neighbours are free.
    try test.map(place + 699, 1, to: 1)
    try test.map(place + 701, 1, to: 1)
    try test.map(place + 5 * twoMiB, 1, to: 1)
    try test.map(place + 2 * oneGiB - 1, 1, to: 1)
    test.expectValid()
  }

  @Test func whatCannotBeMappedAtAllIsRefused() throws {
    let test = try TestMachine.forMappings()
    let vmalloc = TestMachine.vmallocStart.rawValue
    let half: UInt64 = 1 << 35
    let refusals: [(UInt64, UInt64, MemoryError)] = [
      (place, 0, .sizeIsZero), (half, 1, .notCanonical(VirtualAddress(half << 12))),
      (half - 1, 2, .notCanonical(VirtualAddress((half - 1) << 12))),
      (1 << 52 - 1, 2, .notCanonical(VirtualAddress(0xffff_ffff_ffff_f000))),
      (1 << 52 + 3, 1, .notCanonical(VirtualAddress(3 << 12))),
      (vmalloc, 1, .placeTaken(VirtualAddress(vmalloc << 12))),
      (vmalloc + 1 << 20 - 1, 1, .placeTaken(VirtualAddress((vmalloc + 1 << 20 - 1) << 12))),
      (vmalloc - 1, 2, .placeTaken(VirtualAddress((vmalloc - 1) << 12))),
      (vmalloc - 5, 1 << 21, .placeTaken(VirtualAddress((vmalloc - 5) << 12))),
    ]
    for (first, count, error) in refusals {
      test.expectRefused(error) { try test.map(first, count, to: 1) }
      test.expectRefused(error) { try test.unmap(first, count) }
    }
    try test.map(vmalloc - 1, 1, to: 1)
    try test.unmap(vmalloc - 1, 1)
    test.expectValid()
  }

  @Test func framesThatNoEntryHoldsAreRefused() throws {
    let test = try TestMachine.forMappings()
    let limit = UInt64(1) << 40
    let runs: [(frame: UInt64, count: UInt64)] = [
      (limit, 1), (limit - 1, 2), (1 << 51, 1), (.max, 1), (.max, 1 << 20), (limit - oneGiB, oneGiB + 1),
    ]
    for (frame, count) in runs {
      test.expectRefused(.frameOutOfReach(FrameNumber(frame))) { try test.map(place, count, to: frame) }
    }
    try test.map(place, 1, to: limit - 1)
    #expect(test.frame(ofPage: place) == limit - 1)
    try test.map(place + oneGiB, oneGiB, to: limit - oneGiB)
    #expect(test.frame(ofPage: place + 2 * oneGiB - 1) == limit - 1)
  }

  @Test func tooFewFramesForTablesLeaveNothingMapped() throws {
    let test = try TestMachine.forMappings()
    // A level-2 table for the place, which stays.
    try test.map(place, 1, to: 1)
    try test.unmap(place, 1)
    // Two tables of level 1, three of level 0.
    let (first, count) = (place + oneGiB - twoMiB - 1, 2 * twoMiB)
    for left in UInt64(0)..<5 {
      try test.withFramesLeft(left) {
        test.expectRefused(.tablesExhausted(got: PageCount(left), of: PageCount(5))) {
          try test.map(first, count, to: 1)
        }
      }
    }
    try test.withFramesLeft(5) { try test.map(first, count, to: 1) }
    #expect(test.leaves(first, count).count == Int(count))
    test.expectValid()
  }
}
