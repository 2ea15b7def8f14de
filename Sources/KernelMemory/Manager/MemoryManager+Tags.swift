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
    let request = try cpus.enter { (cpu) throws(MemoryError) in
      freeDropped(cpu)
      guard !slab.hasCache(chargedTo: tag) else { throw .tagInUse(bytes: 0, objects: 0, areas: 0) }
      try tags.beginRemoval(of: tag, cpu)
      return reclaim.shootdown.request(FlushRanges(), cpu)
    }
    wait(for: request)
    try cpus.enter { (cpu) throws(MemoryError) in try tags.endRemoval(of: tag, cpu) }
  }

  /// What a tag has been charged with, now and at peak; zero for a tag that does not exist. O(CPUs).
  public func usage(of tag: Tag) -> TagUsage { tags.contains(tag) ? tags.usage(of: tag) : TagUsage() }
}
