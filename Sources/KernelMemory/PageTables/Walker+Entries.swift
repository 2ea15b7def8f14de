internal import Synchronization

// Small areas, whose tables are pinned, remember where their entries are: these are written and cleared again
// without a descent.

extension Walker {
  /// Where the entry of the first page is, if the others' are behind it in the same table; else zero.
  func firstEntry(of pages: PageRange) -> UInt {
    guard pages.count.rawValue <= entriesToTableEnd(pages.first, level: 0) else { return 0 }
    let (lowest, level) = descend(to: 0, for: pages.first)
    return level == 0 ? entry(lowest, index(of: pages.first, level: 0)).address : 0
  }

  /// As `write`, with the frame that `frame` gives for each page.
  @inline(__always)
  func write(
    _ count: UInt64, at firstEntry: UInt, _ attributes: MappingAttributes, _ frame: (UInt32) -> UInt32
  ) {
    let bits = Format.bits(attributes, level: 0)
    let first = Entry(bitPattern: firstEntry)
    for page in 0..<UInt32(truncatingIfNeeded: count) {
      let frame = FrameNumber(UInt64(frame(page)))
      first[Int(page)].value.store(Format.leaf(frame, bits: bits), ordering: .relaxed)
    }
  }

  /// As `detach`.
  @inline(__always)
  func detach(_ count: UInt64, at firstEntry: UInt) -> Detached {
    var detached = Detached()
    let first = Entry(bitPattern: firstEntry)
    for step in 0..<Int(truncatingIfNeeded: count) {
      detach(first[step], level: 0, into: &detached)
    }
    return detached
  }
}
