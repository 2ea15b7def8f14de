import Testing

@testable import KernelMemory

/// Random reservations, placed ones among them, and releases, against an array that says whose each page
/// is. Ranges are small, so that they are full most of the time.
struct AreasOracle {
  struct Shape {
    let pages: UInt64
    /// The most pages of one area.
    let largest: UInt64
    /// The range's place behind a multiple of 2^24 pages.
    let offset: UInt64
  }

  static let shapes = [
    Shape(pages: 700, largest: 3, offset: 1), Shape(pages: 1025, largest: 200, offset: 1000),
    Shape(pages: 5000, largest: 300, offset: 7),
  ]

  private let fixture: AreasFixture
  private let largest: UInt64
  /// The area of each page; zero for none.
  private var owners: [UInt32]
  private var areas: [UInt32] = []
  private var random: Randomness

  init(_ shape: Shape, seed: UInt64) throws {
    fixture = try AreasFixture(pages: shape.pages, offset: shape.offset)
    largest = shape.largest
    owners = [UInt32](repeating: 0, count: Int(shape.pages))
    random = Randomness(seed: seed)
  }

  mutating func run(steps: Int) throws {
    for step in 0..<steps {
      if areas.isEmpty || !random.oneIn(3) { reserve() } else { release() }
      fixture.expectValid()
      #expect(fixture.holes == holes)
      if step % 50 == 0 { checkOwners() }
    }
    while !areas.isEmpty { release() }
    fixture.expectValid()
    #expect(fixture.holes == [0..<UInt64(owners.count)])
  }

  private mutating func release() {
    let area = areas.remove(at: Int(random.below(UInt64(areas.count))))
    for page in fixture.span(area) { owners[Int(page)] = 0 }
    fixture.release(area)
  }

  private mutating func reserve() {
    let pages = random.below(largest) + 1
    let guardPages = UInt16(random.below(3))
    let span = pages + UInt64(guardPages)
    let alignment = random.oneIn(3) ? Int(random.below(8)) : 0
    let place = random.oneIn(4) ? random.below(UInt64(owners.count)) : nil
    let expected = place.map { isFree(span, at: $0) && isAligned($0, alignment) } ?? fits(span, alignment)
    do throws(MemoryError) {
      let area = try fixture.reserve(pages, guardPages: guardPages, alignment: alignment, at: place)
      let got = fixture.span(area)
      #expect(expected)
      #expect(UInt64(got.count) == span)
      #expect(isFree(span, at: got.lowerBound))
      #expect(isAligned(got.lowerBound, alignment))
      #expect(place == nil || place == got.lowerBound)
      for page in got { owners[Int(page)] = area }
      areas.append(area)
    } catch {
      #expect(!expected)
      let largest = PageCount(UInt64(holes.map(\.count).max() ?? 0))
      #expect(error == (place.map(fixture.placeTaken) ?? .rangeExhausted(largestHole: largest)))
    }
  }

  private func checkOwners() {
    for (page, owner) in owners.enumerated() where fixture.owner(UInt64(page)) ?? 0 != owner {
      Issue.record("page \(page) belongs to \(owner), not \(fixture.owner(UInt64(page)) ?? 0)")
    }
  }
}

// MARK: - The array's own answers

extension AreasOracle {
  private var holes: [Range<UInt64>] {
    var holes: [Range<UInt64>] = []
    var start: Int?
    for page in 0...owners.count {
      let isFree = page < owners.count && owners[page] == 0
      if isFree, start == nil { start = page }
      if !isFree, let first = start {
        holes.append(UInt64(first)..<UInt64(page))
        start = nil
      }
    }
    return holes
  }

  private func isFree(_ span: UInt64, at place: UInt64) -> Bool {
    let end = Int(place + span)
    return end <= owners.count && owners[Int(place)..<end].allSatisfy { $0 == 0 }
  }

  private func isAligned(_ page: UInt64, _ alignment: Int) -> Bool {
    let step: UInt64 = 1 << UInt64(alignment)
    return (page + fixture.base) % step == 0
  }

  private func fits(_ span: UInt64, _ alignment: Int) -> Bool {
    holes.contains { hole in
      hole.contains { page in isAligned(page, alignment) && page + span <= hole.upperBound }
    }
  }
}
