import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

private typealias Entry = (kind: MemoryMap.Kind, start: UInt64, byteCount: UInt64)

private func makeMap(_ entries: [Entry]) throws -> MemoryMap {
  let map = MemoryMap()
  for entry in entries {
    try map.add(entry.kind, at: PhysicalAddress(entry.start), byteCount: entry.byteCount)
  }
  return map
}

extension MemoryMap {
  /// All runs from `frame` on, as half-open ranges of frame numbers.
  fileprivate func runs(_ use: Use, from frame: UInt64 = 0) -> [Range<UInt64>] {
    var runs: [Range<UInt64>] = []
    var next = FrameNumber(frame)
    while let run = nextRun(use, from: next, .size4K) {
      runs.append(run.first.rawValue..<run.end.rawValue)
      // A run that does not lead on would go round for ever.
      guard run.end > next else { return runs + [0..<0] }
      next = run.end
    }
    return runs
  }
}

private let page: UInt64 = 4096

@Suite struct MemoryMapTests {
  @Test func handsOutUsableMemoryAloneButMapsWhatIsKeptToo() throws {
    let map = try makeMap([
      (.usable, 1 * page, 9 * page), (.kept, 10 * page, 5 * page), (.reserved, 15 * page, 5 * page),
      (.usable, 20 * page, 5 * page), (.usable, 100 * page, page),
    ])
    #expect(map.runs(.allocatable) == [1..<10, 20..<25, 100..<101])
    #expect(map.runs(.mappable) == [1..<15, 20..<25, 100..<101])
    #expect(map.runs(.allocatable, from: 5) == [5..<10, 20..<25, 100..<101])
    #expect(map.runs(.allocatable, from: 10) == [20..<25, 100..<101])
    #expect(map.runs(.allocatable, from: 101).isEmpty)
    #expect(MemoryMap().runs(.mappable).isEmpty)
  }

  @Test func cutsUsableMemoryInwardAndReservedMemoryOutward() throws {
    let usable = try makeMap([(.usable, page + 1, 3 * page - 1), (.usable, 10 * page, 2 * page - 1)])
    #expect(usable.runs(.allocatable) == [2..<4, 10..<11])
    let inside = try makeMap([(.usable, 0, 10 * page), (.reserved, 3 * page + 100, 1)])
    #expect(inside.runs(.allocatable) == [0..<3, 4..<10])
    let across = try makeMap([(.usable, 0, 10 * page), (.reserved, 4 * page - 1, 2)])
    #expect(across.runs(.allocatable) == [0..<3, 5..<10])
    let kept = try makeMap([(.usable, 0, 10 * page), (.kept, 3 * page + 8, page)])
    #expect(kept.runs(.allocatable) == [0..<3, 5..<10])
    #expect(kept.runs(.mappable) == [0..<10])
    let tooSmall = try makeMap([(.usable, 100, page - 1), (.usable, 8 * page + 1, 2 * page - 2)])
    #expect(tooSmall.runs(.allocatable).isEmpty)
  }

  @Test func joinsEntriesThatMeetInsideAPage() throws {
    let meet = try makeMap([(.usable, 0, 2 * page + 100), (.usable, 2 * page + 100, 2 * page - 100)])
    #expect(meet.runs(.allocatable) == [0..<4])
    let gap = try makeMap([(.usable, 0, 2 * page + 100), (.usable, 2 * page + 101, 2 * page - 101)])
    #expect(gap.runs(.allocatable) == [0..<2, 3..<4])
    let keptHalf = try makeMap([(.usable, 0, 2 * page + 100), (.kept, 2 * page + 100, 2 * page - 100)])
    #expect(keptHalf.runs(.allocatable) == [0..<2])
    #expect(keptHalf.runs(.mappable) == [0..<4])
    // Three in one page, of which none holds it.
    let three = try makeMap([(.usable, 4000, 96), (.usable, 0, 1000), (.usable, 1000, 3000)])
    #expect(three.runs(.allocatable) == [0..<1])
  }

  @Test(arguments: [
    // The second entry begins before, at, or inside the first, and ends inside, at, or behind it.
    (4, 4), (4, 6), (4, 8), (4, 12), (5, 4), (5, 7), (5, 10), (8, 4), (0, 4), (0, 8), (0, 16), (12, 4),
  ])
  func overlapsOfEveryKind(start: UInt64, count: UInt64) throws {
    let kinds: [(MemoryMap.Kind, MemoryMap.Kind)] = [(.usable, .reserved), (.reserved, .usable)]
    for (first, second) in kinds {
      let map = try makeMap([(first, 4 * page, 4 * page), (second, start * page, count * page)])
      let usable = Set(first == .usable ? 4..<8 : start..<start + count)
      let reserved = Set(first == .usable ? start..<start + count : 4..<8)
      let frames = map.runs(.allocatable).flatMap { Array($0) }
      let expected = usable.subtracting(reserved).sorted()
      #expect(frames == expected)
    }
    let twice = try makeMap([(.usable, 4 * page, 4 * page), (.usable, start * page, count * page)])
    let union = Set(4..<8).union(start..<start + count).sorted()
    #expect(twice.runs(.mappable).flatMap { Array($0) } == union)
  }

  @Test func theOrderOfEntriesDoesNotMatter() throws {
    let entries: [Entry] = [
      (.usable, 0, 20 * page), (.reserved, 3 * page + 1, 2 * page), (.kept, 5 * page, 100),
      (.usable, 20 * page, 3 * page), (.reserved, 22 * page - 1, 1), (.usable, 18 * page, 8 * page),
    ]
    let expected = try makeMap(entries).runs(.allocatable)
    #expect(expected == [0..<3, 6..<21, 22..<26])
    for index in entries.indices {
      let turned = Array(entries[index...] + entries[..<index])
      #expect(try makeMap(turned).runs(.allocatable) == expected)
      #expect(try makeMap(turned.reversed()).runs(.allocatable) == expected)
    }
  }

  @Test func emptyEntriesAreIgnoredAndTakeNoRoom() throws {
    let map = try makeMap([(.usable, 0, 10 * page)])
    for _ in 0..<1000 { try map.add(.reserved, at: PhysicalAddress(5 * page), byteCount: 0) }
    #expect(map.runs(.allocatable) == [0..<10])
  }

  @Test func entriesThatWrapEndAtTheTop() throws {
    // The last byte of all has no address behind it, so the last frame never counts as whole.
    let top = UInt64.max >> 12
    let map = try makeMap([(.usable, 0 &- 4 * page, .max)])
    #expect(map.runs(.mappable) == [(top - 3)..<top])
    let reserved = try makeMap([(.usable, 0, 8 * page), (.reserved, 6 * page, .max)])
    #expect(reserved.runs(.allocatable) == [0..<6])
    #expect(try makeMap([(.usable, .max, 1), (.usable, .max, .max)]).runs(.mappable).isEmpty)
    #expect(try makeMap([(.usable, 0, .max)]).runs(.mappable) == [0..<top])
  }

  @Test func rowsOfAKindThatTouchAreOne() throws {
    let map = MemoryMap(rows: 2)
    for index in 0..<300 as Range<UInt64> {
      // From both ends towards the middle, so that the last one joins two rows.
      let place = index % 2 == 0 ? index / 2 : 299 - index / 2
      try map.add(.usable, at: PhysicalAddress(place << 20), byteCount: 1 << 20)
      #expect(map.count == (index == 0 || index == 299 ? 1 : 2))
    }
    #expect(map.runs(.allocatable) == [0..<76_800])
    try map.add(.reserved, at: PhysicalAddress(100 * page), byteCount: page)
    #expect(map.count == 2)
    #expect(map.runs(.allocatable) == [0..<100, 101..<76_800])
  }

  /// Firmware that cuts its RAM finely leaves no frame out.
  @Test func threeHundredTouchingRowsAreAllManaged() throws {
    let map = MemoryMap(rows: 8)
    for index in 0..<300 as Range<UInt64> {
      try map.add(.usable, at: PhysicalAddress(index << 20), byteCount: 1 << 20)
    }
    let test = try TestMachine(ram: [RAMRegion(PhysicalAddress(0), byteCount: 300 << 20)], map: map)
    #expect(test.manager.frames.managed == PageCount(76_799))
    test.expectValid()
  }

  /// As many rows as the firmware of a large server has been seen to report, none of which touches another.
  @Test func startsFrom312ScatteredRows() throws {
    // Whole pages of many sizes; the last row is the large one, from which the early frames come.
    let ram = (0..<312 as Range<UInt64>).map {
      RAMRegion(PhysicalAddress($0 << 21), byteCount: $0 == 311 ? 32 << 20 : (1 << 20) + $0 % 64 * page)
    }
    let map = MemoryMap(rows: 312)
    for region in ram.reversed() { try map.add(.usable, at: region.start, byteCount: region.byteCount) }
    #expect(map.count == 312)
    let test = try TestMachine(ram: ram, map: map)
    let frames = ram.reduce(0) { $0 + $1.byteCount / page }
    #expect(test.manager.frames.managed == PageCount(frames - 1))
    test.expectValid()
  }

  @Test func aFullMapRefusesWhatTouchesNoRow() throws {
    let map = MemoryMap(rows: 128)
    #expect(map.capacity == 128)
    for index in 0..<128 as Range<UInt64> {
      try map.add(.usable, at: PhysicalAddress(2 * index * page), byteCount: page)
    }
    let expected = (0..<128 as Range<UInt64>).map { 2 * $0..<2 * $0 + 1 }
    #expect(throws: MemoryError.memoryMapFull(limit: 128)) {
      try map.add(.reserved, at: PhysicalAddress(0), byteCount: page)
    }
    #expect(throws: MemoryError.memoryMapFull(limit: 128)) {
      try map.add(.usable, at: PhysicalAddress(300 * page), byteCount: page)
    }
    try map.add(.reserved, at: PhysicalAddress(0), byteCount: 0)
    #expect(map.runs(.allocatable) == expected)
    try map.add(.usable, at: PhysicalAddress(page), byteCount: page)
    #expect(map.count == 127)
    try map.add(.reserved, at: PhysicalAddress(0), byteCount: page)
    #expect(map.runs(.allocatable) == [1..<3] + expected.dropFirst(2))
  }

  @Test func memoryThatIsTooShortHoldsNoRow() throws {
    let rows = MemoryMap.byteCount(rows: 3)
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: rows + 8, alignment: 8)
    defer { bytes.deallocate() }
    for count in [0, 1, 15, 16, 39] {
      let map = MemoryMap(in: UnsafeMutableRawBufferPointer(rebasing: bytes[..<count]))
      #expect(map.capacity == 0)
      #expect(throws: MemoryError.memoryMapFull(limit: 0)) {
        try map.add(.usable, at: PhysicalAddress(0), byteCount: page)
      }
      #expect(map.runs(.mappable).isEmpty)
    }
    #expect(MemoryMap(in: UnsafeMutableRawBufferPointer(start: nil, count: 0)).capacity == 0)
    // Wherever it begins.
    for start in 0..<8 {
      let map = MemoryMap(in: UnsafeMutableRawBufferPointer(rebasing: bytes[start..<start + rows]))
      #expect(map.capacity == 3)
    }
    #expect(MemoryMap.byteCount(rows: .min) == MemoryMap.byteCount(rows: 0))
    #expect(MemoryMap.byteCount(rows: .max) == .max)
  }

  @Test(arguments: RandomTests.seeds(40))
  func randomMapsAgreeWithAModelOfEveryByte(seed: UInt64) throws {
    var random = Randomness(seed: seed)
    for _ in 0..<25 {
      // Eight units a page: edges meet often, inside pages and on them.
      let unit: UInt64 = 512
      var usable = Set<UInt64>()
      var kept = Set<UInt64>()
      var reserved = Set<UInt64>()
      var entries: [Entry] = []
      for _ in 0..<random.below(14) {
        let start = random.below(64 * 8)
        let count = random.oneIn(2) ? random.below(24) : random.below(64 * 8 - start + 1)
        let kind = random.element(of: [MemoryMap.Kind.usable, .usable, .kept, .reserved])
        let units = start..<min(start + count, 64 * 8)
        switch kind {
        case .usable: usable.formUnion(units)
        case .kept: kept.formUnion(units)
        case .reserved: reserved.formUnion(units)
        }
        entries.append((kind, start * unit, UInt64(units.count) * unit))
      }
      let map = try makeMap(entries)
      let from = random.oneIn(2) ? 0 : random.below(64)
      let allocatable = wholePages(usable.subtracting(kept).subtracting(reserved), from)
      let mappable = wholePages(usable.union(kept).subtracting(reserved), from)
      #expect(map.runs(.allocatable, from: from) == allocatable, "\(entries) from \(from)")
      #expect(map.runs(.mappable, from: from) == mappable, "\(entries) from \(from)")
    }
  }

  /// The longest runs of pages all of whose eight units are in `units`.
  private func wholePages(_ units: Set<UInt64>, _ from: UInt64) -> [Range<UInt64>] {
    var runs: [Range<UInt64>] = []
    for page in from..<64 where (0..<8).allSatisfy({ units.contains(page * 8 + $0) }) {
      if let last = runs.last, last.upperBound == page {
        runs[runs.count - 1] = last.lowerBound..<page + 1
      } else {
        runs.append(page..<page + 1)
      }
    }
    return runs
  }
}
