import MachineSimulator
import Testing

@testable import KernelMemory

/// Random mappings and unmappings, against a plain list of what is mapped where.
struct MappingOracle {
  struct Segment {
    var pages: Range<UInt64>
    var frame: UInt64
    var attributes: MappingAttributes
  }

  /// 4 GiB of addresses, in the middle of which a root entry ends.
  static let arena: Range<UInt64> = {
    let middle = Pages.free + Pages.rootEntry
    return middle - 2 * Pages.oneGiB..<middle + 2 * Pages.oneGiB
  }()
  /// Where there is RAM that the manager knows nothing of: 8 GiB from 8 GiB on.
  static let frames = 8 * Pages.oneGiB..<16 * Pages.oneGiB

  let test: TestMachine
  var random: Randomness
  /// By address; no two overlap.
  private(set) var segments: [Segment] = []

  init(seed: UInt64, largeLeaves: Bool) throws {
    let ram = [
      RAMRegion.small,
      RAMRegion(PhysicalAddress(Self.frames.lowerBound << 12), byteCount: UInt64(Self.frames.count) << 12),
    ]
    let map = MemoryMap()
    try map.add(.usable, at: ram[0].start, byteCount: ram[0].byteCount)
    test = try TestMachine(ram: ram, map: map, vmallocPages: 1 << 20, largeLeaves: largeLeaves)
    random = Randomness(seed: seed)
  }

  func segment(of page: UInt64) -> Segment? {
    var (low, high) = (0, segments.count)
    while low < high {
      let middle = (low + high) / 2
      if segments[middle].pages.upperBound <= page { low = middle + 1 } else { high = middle }
    }
    return low < segments.count && segments[low].pages.contains(page) ? segments[low] : nil
  }

  /// The pages at which something begins or ends, and those beside them.
  var edges: [UInt64] {
    segments.flatMap { segment in
      [segment.pages.lowerBound, segment.pages.upperBound].flatMap { [$0 - 1, $0] }
    }
  }
}

// MARK: - Operations

extension MappingOracle {
  /// Runs that many operations, compares all that is mapped after each `interval`, and unmaps everything.
  mutating func run(steps: Int, comparingEach interval: Int) throws {
    for step in 1...steps {
      try self.step()
      guard step % interval == 0 else { continue }
      let difference = difference()
      try #require(difference == nil, "step \(step): \(difference ?? "")")
      for page in edges { checkQuery(page) }
    }
    try unmap(Self.arena)
    // Two root entries were touched, and have kept their tables; so has the vmalloc range.
    let counters = test.manager.counters
    #expect(counters[.tablesMade] - counters[.tablesReturned] == 3)
    test.expectValid()
  }

  mutating func step() throws {
    if random.oneIn(40) {
      try unmap(Self.arena)
    } else if random.below(5) < 3 {
      try map()
    } else {
      try unmap(randomPages(limit: UInt64(Self.arena.count)))
    }
  }

  private mutating func map() throws {
    let pages = randomPages(limit: 2 * Pages.oneGiB)
    // Frames that allow the largest leaves, those of 2 MiB, or only the smallest: then not too many.
    let alignment = random.element(of: [1, Pages.twoMiB, Pages.oneGiB, Pages.oneGiB])
    let count = alignment == 1 ? min(UInt64(pages.count), 700) : UInt64(pages.count)
    let slots = (UInt64(Self.frames.count) - 4 * Pages.oneGiB) / alignment
    let frame = Self.frames.lowerBound + random.below(slots) * alignment + pages.lowerBound % alignment
    let attributes = MappingAttributes(
      random.element(of: [.readOnly, .readWrite, .readExecute, .writableExecutable]),
      cache: random.element(of: [.writeBack, .writeCombining, .uncachedMinus, .uncached, .writeThrough]),
      isGlobal: random.oneIn(2))
    let segment = Segment(
      pages: pages.lowerBound..<pages.lowerBound + count, frame: frame, attributes: attributes)
    let isTaken = segments.contains { $0.pages.overlaps(segment.pages) }
    do throws(MemoryError) {
      try test.manager.map(PageRange(pages.lowerBound, count), to: FrameNumber(frame), attributes)
      #expect(!isTaken, "\(segment) was mapped over something")
      segments.append(segment)
      segments.sort { $0.pages.lowerBound < $1.pages.lowerBound }
    } catch {
      if case .alreadyMapped = error, isTaken { return }
      Issue.record("\(segment) was refused: \(error)")
    }
  }

  private mutating func unmap(_ pages: Range<UInt64>) throws {
    try test.unmap(pages.lowerBound, UInt64(pages.count))
    segments = segments.flatMap { segment in
      guard segment.pages.overlaps(pages) else { return [segment] }
      var rest: [Segment] = []
      if segment.pages.lowerBound < pages.lowerBound {
        rest.append(segment)
        rest[0].pages = segment.pages.lowerBound..<pages.lowerBound
      }
      if segment.pages.upperBound > pages.upperBound {
        var upper = segment
        upper.pages = pages.upperBound..<segment.pages.upperBound
        upper.frame += pages.upperBound - segment.pages.lowerBound
        rest.append(upper)
      }
      return rest
    }
  }

  /// A range of the arena whose edges are often those of leaves, or of what is mapped.
  private mutating func randomPages(limit: UInt64) -> Range<UInt64> {
    let granules: [UInt64] = [1, 1, Pages.twoMiB, Pages.oneGiB]
    func align(_ page: UInt64, _ granule: UInt64) -> UInt64 { page / granule * granule }
    var first = align(
      Self.arena.lowerBound + random.below(UInt64(Self.arena.count)), random.element(of: granules))
    let known = edges.filter { Self.arena.contains($0) }
    if !known.isEmpty && random.oneIn(3) { first = random.element(of: known) }
    let longest = random.element(of: [4, 600, 3 * Pages.twoMiB, 2 * Pages.oneGiB])
    var end = first + 1 + random.below(min(longest, limit))
    if random.oneIn(2) { end = max(align(end, random.element(of: granules)), first + 1) }
    return first..<min(end, Self.arena.upperBound)
  }
}

// MARK: - Checks

extension MappingOracle {
  /// Whether the leaves of the arena are the segments, no more and no less; what differs, if something
  /// does.
  func difference() -> String? {
    var total: UInt64 = 0
    var next = Self.arena.lowerBound
    var problem: String?
    test.manager.tables.visit(PageRange(Self.arena.lowerBound, UInt64(Self.arena.count))) { leaf in
      let first = leaf.pages.first.rawValue
      if first < next { problem = "leaves are out of order at \(first)" }
      next = leaf.pages.end.rawValue
      total += leaf.pages.count.rawValue
      guard let segment = segment(of: first), segment.pages.upperBound >= next,
        leaf.frame.rawValue == segment.frame + first - segment.pages.lowerBound,
        leaf.attributes == segment.attributes
      else {
        problem = "nobody mapped \(leaf)"
        return
      }
    }
    let expected = segments.reduce(0) { $0 + UInt64($1.pages.count) }
    if total != expected { problem = problem ?? "\(total) pages are mapped instead of \(expected)" }
    return problem ?? test.manager.tables.validate(areas: { _ in 0 }).map { "\($0)" }
  }

  /// Compares the core's answer for one page with the list.
  func checkQuery(_ page: UInt64) {
    let mapping = test.mapping(ofPage: page)
    let segment = segment(of: page)
    #expect((mapping == nil) == (segment == nil), "page \(page)")
    guard let mapping, let segment else { return }
    #expect(mapping.pages.contains(PageNumber(page)))
    #expect(mapping.attributes == segment.attributes)
    #expect(test.frame(ofPage: page) == segment.frame + page - segment.pages.lowerBound)
  }
}
