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

  let format: TestFormat
  /// Pages of the largest granule.
  private let huge: UInt64
  /// The pages of two entries of level 2 on each side of a place where a root entry ends: 4 GiB with pages of
  /// 4 KiB.
  let arena: Range<UInt64>
  /// Where there is RAM that the manager knows nothing of: twice as much.
  let frames: Range<UInt64>
  /// Pages that mappings are often aligned to.
  let granules: [UInt64]
  /// Tables that the arena will have directly below the root, and the vmalloc range has.
  private let tablesThatStay: Int

  let test: TestMachine
  var random: Randomness
  /// By address; no two overlap.
  private(set) var segments: [Segment] = []

  init(seed: UInt64, _ format: TestFormat) throws {
    self.format = format
    // A machine with leaves of level 2 would have 64 TiB.
    let huge = format == .aarch64With64K ? 4 * format.largeLeaf : format.hugeSpan
    self.huge = huge
    granules = [1, 1, format.largeLeaf, huge]
    // Where no other root entry is used than that of the linear map, or of the vmalloc range.
    let middle =
      switch format {
      case .fourLevels, .fourLevelsWithoutGigabyteLeaves, .aarch64With4K, .sv48: Pages.free
      case .fiveLevels, .sv57: format.rootEntry
      // An arena of four root entries, far from both.
      case .aarch64With64K: VirtualAddress(0x2000_0000_0000).number(format.pageSize).rawValue
      case .sv39: VirtualAddress(0xffff_ffe0_0000_0000).number(format.pageSize).rawValue
      case .aarch64With16K, .exemplar: VirtualAddress(0xffff_8000_0000_0000).number(format.pageSize).rawValue
      }
    arena = middle - 2 * huge..<middle + 2 * huge
    frames = 8 * huge..<16 * huge
    // Only a simulated CPU reads what is mapped.
    let borrowed = RAMRegion(
      FrameNumber(frames.lowerBound).address(format.pageSize),
      byteCount: UInt64(frames.count) << UInt64(format.pageSize.shift))
    let ram = [RAMRegion.small] + (format.hasCPU ? [borrowed] : [])
    let map = MemoryMap()
    try map.add(.usable, at: ram[0].start, byteCount: ram[0].byteCount)
    let vmallocPages: UInt64 = 1 << 20
    test = try TestMachine(ram: ram, map: map, vmallocPages: vmallocPages, format: format)
    random = Randomness(seed: seed)
    let pages = PageRange(arena.lowerBound, UInt64(arena.count))
    tablesThatStay =
      test.manager.tables.tablesBelowRootMissing(for: pages)
      + Int(max(1, vmallocPages / format.rootEntry))
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
    try unmap(arena)
    // The root entries that were touched have kept their tables; so has that of the vmalloc range.
    let counters = test.manager.counters
    #expect(counters[.tablesMade] - counters[.tablesReturned] == tablesThatStay)
    test.expectValid()
  }

  mutating func step() throws {
    if random.oneIn(40) {
      try unmap(arena)
    } else if random.below(5) < 3 {
      try map()
    } else {
      try unmap(randomPages(limit: UInt64(arena.count)))
    }
  }

  private mutating func map() throws {
    let pages = randomPages(limit: 2 * huge)
    // Frames that allow the largest leaves, those of level 1, or only the smallest: then not too many.
    let alignment = random.element(of: granules + [huge])
    let count = alignment == 1 ? min(UInt64(pages.count), 700) : UInt64(pages.count)
    let slots = (UInt64(frames.count) - 4 * huge) / alignment
    let frame = frames.lowerBound + random.below(slots) * alignment + pages.lowerBound % alignment
    let attributes = MappingAttributes(
      random.element(of: [.readOnly, .readWrite, .readExecute, .writableExecutable]),
      cache: random.element(of: format.cacheTypes),
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
    let mustBreak = format.format.splitNeedsBreakBeforeMake && largeLeafSticksOut(of: pages)
    do throws(MemoryError) {
      try test.manager.unmap(PageRange(pages.lowerBound, UInt64(pages.count)))
      #expect(!mustBreak, "a leaf in use was split at \(pages)")
    } catch {
      // Nothing is unmapped then, as the next comparison finds.
      guard case .breakBeforeMake = error, mustBreak else { throw error }
      return
    }
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

  private func largeLeafSticksOut(of pages: Range<UInt64>) -> Bool {
    [pages.lowerBound, pages.upperBound - 1].contains { page in
      guard let leaf = test.manager.tables.query(PageNumber(page)) else { return false }
      return leaf.pages.first.rawValue < pages.lowerBound || leaf.pages.end.rawValue > pages.upperBound
    }
  }

  /// A range of the arena whose edges are often those of leaves, or of what is mapped.
  private mutating func randomPages(limit: UInt64) -> Range<UInt64> {
    func align(_ page: UInt64, _ granule: UInt64) -> UInt64 { page / granule * granule }
    var first = align(
      arena.lowerBound + random.below(UInt64(arena.count)), random.element(of: granules))
    let known = edges.filter { arena.contains($0) }
    if !known.isEmpty && random.oneIn(3) { first = random.element(of: known) }
    let longest = random.element(of: [4, 600, 3 * format.largeLeaf, 2 * huge])
    var end = first + 1 + random.below(min(longest, limit))
    if random.oneIn(2) { end = max(align(end, random.element(of: granules)), first + 1) }
    return first..<min(end, arena.upperBound)
  }
}

// MARK: - Checks

extension MappingOracle {
  /// Whether the leaves of the arena are the segments, no more and no less; what differs, if something
  /// does.
  func difference() -> String? {
    var total: UInt64 = 0
    var next = arena.lowerBound
    var problem: String?
    test.manager.tables.visit(PageRange(arena.lowerBound, UInt64(arena.count))) { leaf in
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
