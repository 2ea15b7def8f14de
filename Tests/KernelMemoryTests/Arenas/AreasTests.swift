import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct AreasTests {
  /// What a request that is refused looks at, and the report of it, does not grow with the holes.
  @Test func aFullRangeIsSearchedInFewSteps() throws {
    let fixture = try AreasFixture(pages: 18 * 5_000, offset: 1)
    let areas = try (0..<5_000).map { _ in
      let area = try fixture.reserve(17)
      _ = try fixture.reserve(1)
      return area
    }
    for area in areas { fixture.release(area) }
    let before = fixture.areas.state.value.bins.steps
    let error = MemoryError.rangeExhausted(largestHole: PageCount(17))
    #expect(throws: error) { _ = try fixture.reserve(18) }
    #expect(fixture.areas.state.value.bins.steps - before < 10)
    // Of the holes that may lie well enough a few are tried.
    #expect(throws: error) { _ = try fixture.reserve(17, alignment: 24) }
    #expect(fixture.areas.state.value.bins.steps - before < 100)
    // The one that fits is found, whichever it is.
    fixture.release(try fixture.reserve(16))
    let last = try fixture.reserve(17)
    #expect(fixture.span(last).count == 17)
    #expect(fixture.areas.state.value.bins.steps - before < 200)
    fixture.expectValid()
  }

  /// It has a cache line of its own.
  @Test func aDescriptorFitsACacheLine() {
    #expect(MemoryLayout<AreaDescriptor>.stride <= 64)
  }

  @Test(arguments: [0, 1, 2, 7, 511, .max] as [UInt16])
  func guardsAreBehindTheirArea(guardPages: UInt16) throws {
    let fixture = try AreasFixture(pages: 1 << 20)
    let first = try fixture.reserve(3, guardPages: guardPages)
    let second = try fixture.reserve(1, guardPages: guardPages)
    let step = UInt64(guardPages)
    #expect(fixture.span(first) == 0..<3 + step)
    #expect(fixture.span(second) == 3 + step..<4 + 2 * step)
    #expect(fixture.areas.pool[first].value.pages.count == PageCount(3))
    for page in 0..<3 + step { #expect(fixture.owner(page) == first) }
    #expect(fixture.owner(3 + step) == second)
    fixture.expectValid()
    fixture.release(first)
    fixture.release(second)
    #expect(fixture.holes == [0..<1 << 20])
    fixture.expectValid()
  }

  @Test func anExactFitLeavesNoHole() throws {
    let fixture = try AreasFixture(pages: 100)
    let before = try fixture.reserve(10)
    let middle = try fixture.reserve(9, guardPages: 1)
    let behind = try fixture.reserve(80)
    #expect(fixture.holes.isEmpty)
    #expect(throws: MemoryError.rangeExhausted(largestHole: .zero)) { _ = try fixture.reserve(1) }
    fixture.release(middle)
    #expect(fixture.holes == [10..<20])
    #expect(fixture.span(try fixture.reserve(8, guardPages: 2)) == 10..<20)
    #expect(fixture.holes.isEmpty)
    fixture.expectValid()
    fixture.release(before)
    fixture.release(behind)
    #expect(fixture.holes == [0..<10, 20..<100])
    fixture.expectValid()
  }

  /// Each order in which five neighbours can go away meets each case of a hole before, behind, or both.
  @Test func neighboursMergeInEveryOrder() throws {
    let fixture = try AreasFixture(pages: 100)
    for order in permutations(of: Array(0..<5)) {
      let first = try fixture.reserve(5)
      let middle = try (0..<5).map { _ in try fixture.reserve(6, guardPages: 1) }
      let last = try fixture.reserve(60)
      var free: Set<Int> = []
      for index in order {
        fixture.release(middle[index])
        free.insert(index)
        let expected = runs(of: free).map { 5 + $0.lowerBound * 7..<5 + $0.upperBound * 7 }
        #expect(fixture.holes == expected)
        fixture.expectValid()
      }
      fixture.release(first)
      #expect(fixture.holes == [0..<40])
      fixture.release(last)
      #expect(fixture.holes == [0..<100])
      fixture.expectValid()
    }
  }

  private func runs(of numbers: Set<Int>) -> [Range<UInt64>] {
    var runs: [Range<UInt64>] = []
    for number in numbers.sorted().map({ UInt64($0) }) {
      if let last = runs.last, last.upperBound == number {
        runs[runs.count - 1] = last.lowerBound..<number + 1
      } else {
        runs.append(number..<number + 1)
      }
    }
    return runs
  }
}

// MARK: - Alignment

extension AreasTests {
  /// Alignment is of the address, not of the place in the range: every aligned page of a range can be
  /// had, and no other.
  @Test(arguments: 0...12, [0, 1, 1000] as [UInt64])
  func everyAlignedPageCanBeHad(alignment: Int, offset: UInt64) throws {
    let fixture = try AreasFixture(pages: 4096, offset: offset)
    let step = UInt64(1) << UInt64(alignment)
    let aligned = (0..<4096).filter { (fixture.base + UInt64($0)) % step == 0 }.map { UInt64($0) }
    var taken: [UInt64] = []
    for _ in aligned { taken.append(fixture.span(try fixture.reserve(1, alignment: alignment)).lowerBound) }
    #expect(taken.sorted() == aligned)
    fixture.expectValid()
    let largest = fixture.holes.map(\.count).max() ?? 0
    let error = MemoryError.rangeExhausted(largestHole: PageCount(UInt64(largest)))
    #expect(throws: error) { _ = try fixture.reserve(1, alignment: alignment) }
    fixture.expectValid()
  }

  @Test func alignmentOfTheWholeRangeIsFoundOnce() throws {
    let fixture = try AreasFixture(pages: 1 << 24)
    #expect(fixture.span(try fixture.reserve(5, alignment: 24)) == 0..<5)
    let error = MemoryError.rangeExhausted(largestHole: PageCount(1 << 24 - 5))
    #expect(throws: error) { _ = try fixture.reserve(1, alignment: 24) }
    #expect(throws: error) { _ = try fixture.reserve(1, alignment: 44) }
    let half: UInt64 = 1 << 23
    #expect(fixture.span(try fixture.reserve(5, alignment: 23)) == half..<half + 5)
    fixture.expectValid()
  }

  @Test func whatAlignmentSkipsStaysAHole() throws {
    let fixture = try AreasFixture(pages: 1 << 16)
    _ = try fixture.reserve(1)
    #expect(fixture.span(try fixture.reserve(1, alignment: 8)) == 256..<257)
    #expect(fixture.holes == [1..<256, 257..<1 << 16])
    #expect(fixture.span(try fixture.reserve(240)) == 1..<241)
    fixture.expectValid()
  }
}

// MARK: - Placing

extension AreasTests {
  @Test func aPlaceIsHadExactly() throws {
    let fixture = try AreasFixture(pages: 1000)
    for place in [500, 0, 990, 100, 502] as [UInt64] {
      #expect(fixture.span(try fixture.reserve(1, guardPages: 1, at: place)) == place..<place + 2)
      fixture.expectValid()
    }
    #expect(fixture.holes == [2..<100, 102..<500, 504..<990, 992..<1000])
    #expect(fixture.span(try fixture.reserve(98, at: 2)) == 2..<100)
    #expect(fixture.span(try fixture.reserve(8, at: 992)) == 992..<1000)
    #expect(fixture.holes == [102..<500, 504..<990])
    fixture.expectValid()
  }

  /// Place, pages, guard, and log2 of the alignment, where 400..<600 is taken and the range has 1000 pages.
  @Test(
    arguments: [
      (400, 1, 0, 0), (500, 1, 0, 0), (599, 1, 0, 0), (400, 200, 0, 0), (300, 500, 0, 0),
      (399, 2, 0, 0), (399, 1, 1, 0), (599, 2, 0, 0), (0, 401, 0, 0), (0, 400, 1, 0),
      (1000, 1, 0, 0), (999, 2, 0, 0), (999, 1, 1, 0), (1 << 40, 1, 0, 0), (.max, 1, 0, 0),
      (.max - 9, 20, 0, 0), (0, 1001, 0, 0), (1, 1, 0, 1), (12, 1, 0, 3), (32, 1, 0, 6), (512, 1, 0, 10),
    ] as [(UInt64, UInt64, UInt16, Int)])
  func aPlaceThatIsNotFreeIsRefused(place: UInt64, pages: UInt64, guardPages: UInt16, alignment: Int) throws {
    let fixture = try AreasFixture(pages: 1000)
    _ = try fixture.reserve(200, at: 400)
    #expect(throws: fixture.placeTaken(place)) {
      _ = try fixture.reserve(pages, guardPages: guardPages, alignment: alignment, at: place)
    }
    #expect(fixture.holes == [0..<400, 600..<1000])
    fixture.expectValid()
  }

  /// To find a place's hole the index is searched backward, over nodes and over coarse slots.
  @Test func aPlaceIsFoundFarBehindTheLastArea() throws {
    let fixture = try AreasFixture(pages: 1 << 33)
    func expectPlaced(_ pages: UInt64, at place: UInt64) throws {
      let area = try fixture.reserve(pages, at: place)
      #expect(fixture.span(area) == place..<place + pages)
      fixture.expectValid()
    }
    try expectPlaced(1, at: 1 << 32)
    try expectPlaced(1, at: 1 << 33 - 1)
    try expectPlaced(1 << 21, at: 1 << 20)
    #expect(throws: fixture.placeTaken(1 << 21)) { _ = try fixture.reserve(1, at: 1 << 21) }
    try expectPlaced(1, at: 1 << 22)
    try expectPlaced(1, at: 1 << 20 - 1)
    try expectPlaced(1, at: 3 << 20)
    try expectPlaced(1, at: 0)
  }

  @Test func aSpanThatNoAddressSpaceHasOverflows() throws {
    let fixture = try AreasFixture(pages: 1000)
    #expect(throws: MemoryError.sizeOverflow) { _ = try fixture.reserve(.max, guardPages: 1) }
    #expect(throws: MemoryError.sizeOverflow) { _ = try fixture.reserve(1 << 52) }
    let error = MemoryError.rangeExhausted(largestHole: PageCount(1000))
    #expect(throws: error) { _ = try fixture.reserve(1 << 52 - 1, alignment: 44) }
    fixture.expectValid()
  }
}

// MARK: - Nearly full

extension AreasTests {
  /// Requests whose rounded size no hole has, though their own size fits.
  @Test func theLastHoleThatFitsIsFound() throws {
    for size in [1, 7, 8, 17, 19, 33, 39, 1000, 1023, 4095] as [UInt64] {
      let fixture = try AreasFixture(pages: size)
      #expect(fixture.span(try fixture.reserve(size)) == 0..<size)
    }
  }

  @Test func anAlignedPlaceInASmallHoleIsFound() throws {
    let fixture = try AreasFixture(pages: 4096)
    _ = try fixture.reserve(1000, at: 0)
    _ = try fixture.reserve(4096 - 1040, at: 1040)
    #expect(fixture.holes == [1000..<1040])
    #expect(fixture.span(try fixture.reserve(16, alignment: 10)) == 1024..<1040)
    #expect(fixture.span(try fixture.reserve(16, alignment: 4)) == 1008..<1024)
    let error = MemoryError.rangeExhausted(largestHole: PageCount(8))
    #expect(throws: error) { _ = try fixture.reserve(1, alignment: 4) }
    fixture.expectValid()
  }
}
