// Tags: making and removing them, and what they are charged with.

extension MemoryManager {
  /// A tag to charge allocations to. There may be 254 at a time besides `untagged`. O(CPUs).
  /// - Throws: `tagsExhausted`; `wrongContext` in an NMI that has interrupted this package.
  public func makeTag(named name: StaticString) throws(MemoryError) -> Tag {
    try makeTag(Tags.Name(name))
  }

  /// A tag whose name is copied, and cut to 47 bytes between two characters of UTF-8. Bytes that would break
  /// a column of a report (a space, control bytes, DEL) become "_"; an empty name becomes "-".
  /// - Throws: as `makeTag(named:)`.
  public func makeTag(copying utf8: UnsafeBufferPointer<UInt8>) throws(MemoryError) -> Tag {
    try makeTag(unsafe Tags.Name(utf8))
  }

  private func makeTag(_ name: Tags.Name) throws(MemoryError) -> Tag {
    try cpus.enter { (cpu) throws(MemoryError) in try tags.make(name, cpu) }
  }

  /// Removes a tag to which nothing is charged any more: its number is free for another tag, which gets it
  /// when all others have been given since. What CPUs keep of its quota goes with it; what was allocated and
  /// freed stays in `counters`. Frees that an NMI has left are made before.
  ///
  /// Waits for the other CPUs, with interrupts on, and only where nothing is charged. Legal beside
  /// allocations for the tag: one of the two is refused, and where it is the removal, nobody is refused for
  /// it. A stale handle names no tag: allocations are refused (`tagUnavailable`), and usage is zero. The
  /// generation has 8 bits: after 256 more tags of its number it names another one. O(CPUs + caches).
  /// - Throws: `tagInUse` where memory is charged to it, or a cache's objects will be; `tagUnavailable` where
  ///   there is no such tag, and for `untagged`, which stays; `wrongContext` with interrupts off on a machine
  ///   with several CPUs, and in an NMI; with nothing changed.
  public func removeTag(_ tag: Tag) throws(MemoryError) {
    guard cpus.count == 1 || cpus.mayWait else { throw .wrongContext }
    waitForAll(try cpus.enter { (cpu) throws(MemoryError) in try beginRemoval(of: tag, cpu) })
    try cpus.enter { (cpu) throws(MemoryError) in try tags.endRemoval(of: tag, cpu) }
  }

  /// - Returns: the request for every CPU to be outside the package once.
  private func beginRemoval(of tag: Tag, _ cpu: borrowing CPU) throws(MemoryError) -> UInt64 {
    vmalloc.freeDropped(cpu)
    guard !slab.hasCache(chargedTo: tag) else { throw .tagInUse(bytes: 0, objects: 0, areas: 0) }
    try tags.beginRemoval(of: tag, cpu)
    return quarantine.shootdown.askAll(cpu)
  }

  /// What a tag has been charged with, now and at peak; zero for a tag that does not exist. O(CPUs).
  public func usage(of tag: Tag) -> TagUsage { tags.contains(tag) ? tags.usage(of: tag) : TagUsage() }
}

// MARK: - Quotas

extension MemoryManager {
  /// Bounds the bytes that a tag has live: kmalloc's in sizes of classes and blocks, vmalloc's in whole
  /// pages. What does not fit is refused with `overQuota`; memory that is freed, cached for the next request
  /// included, is charged to nobody.
  ///
  /// Exact in one direction: usage never passes the quota. It may refuse what would fit while other CPUs
  /// allocate or free for the same tag at the same moment: each of theirs may count twice then. Credit that
  /// CPUs keep, up to 512 KiB each, is taken back before anything is refused, without waiting. A reallocation
  /// that copies is charged for both while both are there. O(CPUs).
  /// - Parameters:
  ///   - bytes: the quota; nil for none. One below what is live is legal: all is refused until use falls.
  ///   - tag: whose.
  /// - Throws: `tagUnavailable` for a tag that does not exist; `wrongContext`.
  public func setQuota(_ bytes: UInt64?, for tag: Tag) throws(MemoryError) {
    try cpus.enter { (cpu) throws(MemoryError) in try tags.setQuota(bytes, .bytes, for: tag, cpu) }
  }

  /// Bounds the areas that a tag has live, of `vmalloc` and `vmap`, whatever their sizes: each takes a
  /// descriptor, a place in the index and page tables, which no quota of bytes counts. What does not fit is
  /// refused with `overAreaQuota`. All else is as for the quota of bytes, beside which this one stands.
  /// - Parameters:
  ///   - areas: the quota; nil for none. One below what is live is legal: all is refused until use falls.
  ///   - tag: whose.
  /// - Throws: `tagUnavailable` for a tag that does not exist; `wrongContext`.
  public func setQuota(areas: UInt64?, for tag: Tag) throws(MemoryError) {
    try cpus.enter { (cpu) throws(MemoryError) in try tags.setQuota(areas, .areas, for: tag, cpu) }
  }

  /// The quota of a tag in bytes; nil where it has none.
  public func quota(of tag: Tag) -> UInt64? { tags.contains(tag) ? tags.quota(of: tag, .bytes) : nil }

  /// The quota of a tag in areas; nil where it has none.
  public func areaQuota(of tag: Tag) -> UInt64? {
    tags.contains(tag) ? tags.quota(of: tag, .areas) : nil
  }
}

// MARK: - Growth

extension MemoryManager {
  /// What every tag has now. O(tags × CPUs).
  public var tagSnapshot: TagSnapshot {
    var snapshot = TagSnapshot()
    tags.forEach { tag in snapshot[tag] = TagSnapshot.Live(tags.usage(of: tag)) }
    return snapshot
  }

  /// Calls `body` for each tag that has more bytes, objects or areas now than in `earlier`, in the order of
  /// their numbers. O(tags × CPUs).
  public func forEachGrowth(since earlier: TagSnapshot, _ body: (TagGrowth) -> Void) {
    tags.forEach { tag in
      let growth = TagGrowth(tag, from: earlier[tag], to: TagSnapshot.Live(tags.usage(of: tag)))
      if growth.hasGrown { body(growth) }
    }
  }

  /// Writes one line for each tag that has grown, in the order of their numbers:
  /// `+81920 driver objects=-3 areas=+2`. O(tags × CPUs).
  public func writeGrowth(since earlier: TagSnapshot, to sink: inout some TextSink) {
    forEachGrowth(since: earlier) { growth in write(growth, to: &sink) }
  }

  private func write(_ growth: TagGrowth, to sink: inout some TextSink) {
    sink.write(signed: growth.bytes)
    sink.write(" ")
    writeName(of: growth.tag, to: &sink)
    sink.write(" objects=")
    sink.write(signed: growth.objects)
    sink.write(" areas=")
    sink.write(signed: growth.areas)
    sink.newline()
  }
}

extension TextSink {
  fileprivate mutating func write(signed value: Int64) {
    if value != 0 { write(value < 0 ? "-" : "+") }
    write(decimal: value.magnitude)
  }
}
