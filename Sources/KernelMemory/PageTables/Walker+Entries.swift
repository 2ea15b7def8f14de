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

  /// As `fill`, with the frames of a block.
  @inline(__always)
  func write(_ count: UInt64, at firstEntry: UInt, _ attributes: MappingAttributes, _ block: UInt32) {
    let bits = Format.bits(attributes, level: 0)
    let first = Entry(bitPattern: firstEntry)
    for page in 0..<Int(truncatingIfNeeded: count) {
      let frame = FrameNumber(UInt64(block) &+ UInt64(truncatingIfNeeded: page))
      first[page].value.store(Format.leaf(frame, bits: bits), ordering: .relaxed)
    }
  }

  /// As `detach`.
  @inline(__always)
  func detach(_ count: UInt64, at firstEntry: UInt) -> Detached {
    var detached = Detached()
    let end = Int(truncatingIfNeeded: count)
    var entry = Entry(bitPattern: firstEntry)
    var page = 0
    while page < end {
      let value = entry.value.load(ordering: .relaxed)
      let pages =
        Format.isPresent(value)
        ? Int(truncatingIfNeeded: detachBlock(behind: value, level: 0, into: &detached)) : 1
      for index in 0..<pages { entry[index].value.store(0, ordering: .relaxed) }
      entry = entry[pages]
      page &+= pages
    }
    detached.entries = end
    return detached
  }

  /// Takes the block that a leaf leads to from its area.
  /// - Returns: its pages.
  @inline(__always)
  func detachBlock(behind leaf: UInt64, level: Int, into detached: inout Detached) -> UInt64 {
    let block = UInt32(truncatingIfNeeded: Format.frame(ofLeaf: leaf, level: level).rawValue)
    let metadata = table[block]
    let state = metadata.value.state
    metadata.value.setState(state.becoming(.retired, order: state.order))
    detached.frames.push(block, order: state.order, table)
    let pages = UInt64(1) &<< UInt64(truncatingIfNeeded: state.order)
    detached.work &+= 1 &+ Int(truncatingIfNeeded: pages &>> 5)
    return pages
  }
}
