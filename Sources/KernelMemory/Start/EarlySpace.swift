/// An address space that is being built before there is an allocator: a root, and tables from early
/// frames, which have no metadata yet.
struct EarlySpace {
  let memoryMap: MemoryMap
  let linearMap: LinearMap
  let choice: PageTableFormatChoice
  /// The first frame that the linear map does not reach, or whose number takes more than 31 bits.
  let limit: FrameNumber
  let root: FrameNumber
  var early: EarlyFrames
  /// Behind the last frame that may be added later; zero for none.
  let addedEnd: FrameNumber
  /// The linear map, and what else maps all RAM.
  private(set) var windows: MemoryWindows

  /// Makes the root and maps all RAM that can be reached.
  init(
    _ memoryMap: MemoryMap, window: LinearMap, linearMap: LinearMap, _ choice: PageTableFormatChoice,
    _ memoryLimit: PhysicalAddress
  ) throws(MemoryError) {
    try Self.check(window, choice)
    try Self.check(linearMap, choice)
    // Blocks, and the slabs that they become, are aligned to their size in both.
    let block = choice.pageSize.bytes &<< UInt64(Zone.maxOrder)
    guard linearMap.base.rawValue & (block &- 1) == 0 else {
      throw .linearMapMisaligned(linearMap.base, multiple: block)
    }
    self.memoryMap = memoryMap
    self.linearMap = linearMap
    self.choice = choice
    limit = min(linearMap.limit.number(linearMap.pageSize), FrameNumber(1 << 31))
    addedEnd = memoryLimit.number(linearMap.pageSize)
    guard addedEnd <= limit else { throw .frameOutOfReach(limit) }
    var early = try EarlyFrames(memoryMap, window: window, limit: limit)
    root = try early.allocate(PageCount(1))
    self.early = early
    var end = FrameNumber(0)
    while let run = memoryMap.nextRun(.mappable, from: max(end, FrameNumber(1)), linearMap.pageSize),
      run.first < limit
    { end = min(run.end, limit) }
    windows = MemoryWindows(upTo: max(end, addedEnd))
    try mapMemory(in: linearMap)
  }

  /// Frames are whole pages of the format, at addresses of pages.
  private static func check(_ map: LinearMap, _ choice: PageTableFormatChoice) throws(MemoryError) {
    guard map.pageSize == choice.pageSize, map.base.isAligned(to: choice.pageSize) else {
      throw .linearMapUnusable(map.base)
    }
  }

  /// The tables as they are so far.
  func tables(through map: LinearMap) -> PageTables {
    PageTables(
      format: choice.format, root: root, table: FrameTable(emptyFor: map), shared: Stable(bitPattern: 0))
  }

  mutating func map(
    _ pages: PageRange, to frame: FrameNumber, _ attributes: MappingAttributes
  ) throws(MemoryError) {
    let tables = tables(through: early.window)
    guard tables.isCanonical(pages) else { throw .notCanonical(pages.first.address(choice.pageSize)) }
    try tables.checkType(attributes.cache)
    try tables.checkReach(frame, pages.count)
    let missing = try tables.tablesMissing(for: pages, frame: frame, checkingLeaves: true)
    var source = EarlyTables(next: try early.allocate(PageCount(UInt64(missing))))
    _ = tables.pin(pages, frame: frame, eachLeaf: true, from: &source)
    var leaves = LeafRun(frame)
    _ = tables.write(pages, frame: frame, attributes, from: &leaves)
  }

  /// Refuses pages where a window maps, or would, another frame.
  func checkWindows(_ pages: PageRange, _ frame: FrameNumber) throws(MemoryError) {
    guard let page = windows.firstPage(in: pages, notFor: frame) else { return }
    throw .memoryWindow(page.address(choice.pageSize))
  }

  /// Refuses memory that will be handed out.
  func checkNotHandedOut(_ frame: FrameNumber, _ count: PageCount) throws(MemoryError) {
    guard let run = reachable(.allocatable, from: frame),
      run.first.rawValue &- frame.rawValue < count.rawValue
    else { return }
    throw .frameUnavailable(run.first)
  }

  /// Maps all RAM that the linear map reaches, at its distance in `map`.
  mutating func mapMemory(in map: LinearMap) throws(MemoryError) {
    try Self.check(map, choice)
    // One that is refused is none: its pages may be somebody else's.
    var more = windows
    try more.add(map)
    let end = map.limit.number(map.pageSize)
    guard addedEnd <= end else { throw .frameOutOfReach(end) }
    var next = FrameNumber(0)
    while let run = reachable(.mappable, from: next) {
      guard run.end <= end else { throw .frameOutOfReach(max(run.first, end)) }
      let first = run.first.address(map.pageSize)
      let start = map.virtualAddress(of: first)
      // A window that reaches beyond the top of the address space does not go on at its bottom.
      guard start.rawValue >= first.rawValue,
        let pages = PageRange(start.number(map.pageSize), count: run.count)
      else { throw .notCanonical(start) }
      var attributes = MappingAttributes(.readWrite)
      #if Ablations
      if Ablation.readOnlyLinearMap.isOn { attributes.protection = .readOnly }
      #endif
      try self.map(pages, to: run.first, attributes)
      next = run.end
    }
    if addedEnd > FrameNumber(0) { try makeRootTables(for: more[more.count &- 1]) }
    windows = more
  }

  /// So that no entry of the root changes when memory is added.
  private mutating func makeRootTables(for pages: PageRange) throws(MemoryError) {
    let tables = tables(through: early.window)
    guard tables.isCanonical(pages) else { throw .notCanonical(pages.first.address(choice.pageSize)) }
    let missing = tables.tablesBelowRootMissing(for: pages)
    var source = EarlyTables(next: try early.allocate(PageCount(UInt64(missing))))
    _ = tables.makeTablesBelowRoot(for: pages, from: &source)
  }

  /// The next run of frames for `use` that the linear map reaches and whose numbers fit 31 bits.
  func reachable(_ use: MemoryMap.Use, from frame: FrameNumber) -> FrameRange? {
    // Frame zero is no frame: lists and the index use zero for none.
    guard let run = memoryMap.nextRun(use, from: max(frame, FrameNumber(1)), linearMap.pageSize),
      run.first < limit
    else { return nil }
    return FrameRange(from: run.first, upTo: min(run.end, limit))
  }
}

extension EarlySpace: Carver {
  mutating func carve<Element: ~Copyable>(_ count: Int) throws(MemoryError) -> Stable<Element> {
    let bytes = UInt64(count) &* UInt64(MemoryLayout<Element>.stride)
    return linearMap.memory(
      of: try early.allocate(PageCount(bytes: bytes, linearMap.pageSize)), as: Element.self)
  }
}

/// Tables before there is an allocator: a run of cleared frames.
private struct EarlyTables: TableSource {
  var next: FrameNumber

  mutating func takeTable() -> FrameNumber {
    let frame = next
    next = FrameNumber(frame.rawValue &+ 1)
    return frame
  }
}
