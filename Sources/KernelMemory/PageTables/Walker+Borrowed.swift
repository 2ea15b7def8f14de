internal import Synchronization

// Entries of areas whose frames are their callers'. Tables are pinned, so no lock is needed; nothing is said
// of the frames, which may be mapped more than once. None of this can fail.

extension PageTables {
  /// Writes an entry for each frame, one behind the other in one table.
  @inline(__always)
  func mapBorrowed(
    _ frames: UnsafeBufferPointer<FrameNumber>, at entryPointer: UInt, _ attributes: MappingAttributes
  ) {
    let first = Entry(bitPattern: entryPointer)
    let bits = format.bits(attributes, level: 0)
    for index in 0..<frames.count {
      let leaf = format.leaf(unsafe frames[index], bits: bits)
      first[index].write(leaf)
    }
  }

  /// Writes an entry for each frame, from `page` on, which may lie in several tables.
  func mapBorrowed(
    _ frames: UnsafeBufferPointer<FrameNumber>, from page: PageNumber, _ attributes: MappingAttributes
  ) {
    let pages = PageRange(unchecked: page, count: PageCount(UInt64(frames.count)))
    var done = 0
    forEachRun(of: pages) { entries in
      let next = done &+ Int(truncatingIfNeeded: entries.count)
      let part = unsafe UnsafeBufferPointer(rebasing: frames[done..<next])
      unsafe mapBorrowed(part, at: entries.first.address, attributes)
      done = next
    }
  }

  /// Clears entries that are behind each other in one table.
  @inline(__always)
  func unmapBorrowed(_ count: UInt64, at entryPointer: UInt) {
    let first = Entry(bitPattern: entryPointer)
    for index in 0..<Int(truncatingIfNeeded: count) { first[index].write(0) }
  }

  /// Clears the entries of `pages`, which may lie in several tables.
  func unmapBorrowed(_ pages: PageRange) {
    forEachRun(of: pages) { entries in unmapBorrowed(entries.count, at: entries.first.address) }
  }
}
