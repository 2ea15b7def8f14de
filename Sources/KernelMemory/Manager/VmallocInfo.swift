extension MemoryManager {
  /// Writes one line for each live area, in address order, in the text format of Linux's
  /// `/proc/vmallocinfo`: the range and the size with the guard, who asked (the tag's name), the pages,
  /// and the pages on each memory node. O(areas + holes).
  /// - Throws: `wrongContext` in an NMI that has interrupted this package, before anything is written.
  public func writeVmallocInfo(to sink: inout some TextSink) throws(MemoryError) {
    try forEachArea { area in writeVmallocInfo(of: area, to: &sink) }
  }

  /// Writes the line of one area.
  public func writeVmallocInfo(of area: Area, to sink: inout some TextSink) {
    sink.write(range: area.address.rawValue, area.guardRange.end.address(pageSize).rawValue)
    writeName(of: area.tag, to: &sink)
    sink.write(pagesOf: area)
    sink.newline()
  }

  /// Writes a tag's name, or "-" for a tag that does not exist.
  public func writeName(of tag: Tag, to sink: inout some TextSink) {
    if tags.contains(tag) { tags.writeName(of: tag, to: &sink) } else { sink.write("-") }
  }

  /// Every counter, summed over the CPUs. O(CPUs).
  public var counters: Counters {
    var sum = cpus.snapshot
    tags.add(to: &sum)
    return sum
  }

  /// What was done with locks, summed over the CPUs; asking takes none. O(CPUs).
  public var locks: LockUsage { cpus.locks }

  /// What the calling CPU has taken back from callers and keeps; nothing is said in an NMI that has
  /// interrupted this package. O(CPUs + large areas among it).
  public var retained: RetainedMemory {
    cpus.attempt(orElse: RetainedMemory()) { cpu in vmalloc.retained(cpu) }
  }

  /// What one zone of page frames holds, read without a lock: exact where nobody allocates meanwhile.
  /// O(CPUs).
  public func usage(of zone: ZoneKind) -> ZoneUsage { frames.usage(of: zone) }

  /// Frames handed out, the package's own metadata included.
  public var usedFrames: PageCount { frames.used }

  /// Usable RAM that was refused at start: the linear map does not reach it, or its frame numbers take
  /// more than 31 bits.
  public var refusedFrames: PageCount { frames.refused }

  /// Checks every invariant of the package while nothing else runs, and names the first that does not hold:
  /// nil when all is well.
  /// O(frames + tables + areas): for tests, and for a kernel that suspects itself.
  public func validate() -> StaticString? {
    frames.validate(retired: quarantine.retiredFrames)
      ?? tables.validate(areas: { arenas.pinningAreas(in: $0) })
      ?? slab.validate() ?? validateAreas()
  }

  private func validateAreas() -> StaticString? {
    var problem: StaticString?
    arenas.forEach { arena in
      if problem == nil { problem = arena.validate() }
    }
    if let problem { return problem }
    do throws(MemoryError) { return try validateMappings() } catch {
      return "the check was called in the middle of the manager"
    }
  }

  /// Each page of each live area is mapped to a frame whose metadata names that page of that area, and
  /// no guard is mapped. Of borrowed frames' metadata nothing is said.
  private func validateMappings() throws(MemoryError) -> StaticString? {
    var problem: StaticString?
    try forEachArea { area in
      var page: UInt64 = 0
      cpus.asReader(orElse: ()) {
        let number = arenas[area.areas].find(area.pages.first) ?? 0
        tables.visit(area.pages) { leaf in
          defer { page &+= leaf.pages.count.rawValue }
          if !area.isBorrowed, let found = self.problem(of: leaf, at: page, of: number) { problem = found }
        }
      }
      if page != area.pages.count.rawValue { problem = "a page of an area is not mapped" }
      cpus.asReader(orElse: ()) {
        tables.visit(area.guardRange) { _ in problem = "a guard page is mapped" }
      }
    }
    return problem
  }

  /// What is wrong with the metadata of the frames of a leaf, which is at `page` of an area of its own
  /// frames.
  private func problem(of leaf: MappedRange, at page: UInt64, of area: UInt32) -> StaticString? {
    for offset in 0..<leaf.pages.count.rawValue {
      guard let mapper = frames.mapper(of: UInt32(truncatingIfNeeded: leaf.frame.rawValue &+ offset)) else {
        return "an area's frame is not marked as mapped"
      }
      guard mapper.area == area, UInt64(mapper.page) == page &+ offset else {
        return "a frame's metadata names another page or area than maps it"
      }
    }
    return nil
  }
}

extension TextSink {
  /// Writes two addresses, and how many bytes are between them.
  fileprivate mutating func write(range start: UInt64, _ end: UInt64) {
    write("0x")
    write(hex: start, width: 16)
    write("-0x")
    write(hex: end, width: 16)
    write(" ")
    write(decimal: end &- start, width: 7)
    write(" ")
  }

  fileprivate mutating func write(pagesOf area: Area) {
    write(" pages=")
    write(decimal: area.pages.count.rawValue)
    write(area.isBorrowed ? " vmap N0=" : " vmalloc N0=")
    write(decimal: area.pages.count.rawValue)
  }
}
