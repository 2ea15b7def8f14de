internal import Synchronization

// Small areas, whose tables are pinned, remember where their entries are: these are written and cleared again
// without a descent.

extension Walker {
  /// Where the entry of the first page is, if the others' are behind it in the same table; else zero.
  func firstEntry(of pages: PageRange) -> UInt {
    lowestTable(of: pages).map { entry($0, index(of: pages.first, level: 0)).address } ?? 0
  }

  /// As `pin` and `firstEntry` in one, for an area whose table is there.
  /// - Returns: zero, with nothing done, where it is not, or the pages are in several.
  func pinFirstEntry(of pages: PageRange) -> UInt {
    guard let lowest = lowestTable(of: pages) else { return 0 }
    adjust(lowest, pins: 1)
    return entry(lowest, index(of: pages.first, level: 0)).address
  }

  /// The one table that the entries of all pages are in; nil where it is not there, or there are several.
  @inline(__always)
  private func lowestTable(of pages: PageRange) -> FrameNumber? {
    guard pages.count.rawValue <= entriesToTableEnd(pages.first, level: 0) else { return nil }
    let (lowest, level) = descend(to: 0, for: pages.first)
    return level == 0 ? lowest : nil
  }

  /// As `fill`, with one block of 2^`order` frames.
  @inline(__always)
  func fill(at firstEntry: UInt, _ block: UInt32, order: Int, area: UInt32, _ attributes: MappingAttributes) {
    table[block].value.map(order: order, area: area, page: 0)
    let bits = Format.bits(attributes, level: 0)
    let first = Entry(bitPattern: firstEntry)
    for index in 0..<(1 &<< order) {
      let frame = FrameNumber(UInt64(block) &+ UInt64(truncatingIfNeeded: index))
      first[index].write(Format.leaf(frame, bits: bits))
    }
  }

  /// Whether `count` pages are mapped to one block of as many frames.
  @inline(__always)
  func isOneBlock(_ count: UInt64, at firstEntry: UInt) -> Bool {
    let value = Entry(bitPattern: firstEntry).value.load(ordering: .relaxed)
    guard Format.isPresent(value) else { return false }
    return 1 &<< UInt64(truncatingIfNeeded: table[block(value)].value.state.order) == count
  }

  /// As `detach`, of an area's `count` pages.
  @inline(__always)
  func detach(_ count: UInt64, at firstEntry: UInt, onto retired: inout BlockList) {
    let first = Entry(bitPattern: firstEntry)
    let count = Int(truncatingIfNeeded: count)
    var index = 0
    while index < count {
      let block = block(first[index].value.load(ordering: .relaxed))
      let metadata = table[block]
      let state = metadata.value.state
      metadata.value.setState(state.becoming(.retired, order: state.order))
      retired.push(block, order: state.order, table)
      for _ in 0..<(1 &<< state.order) {
        first[index].write(0)
        index &+= 1
      }
    }
  }

  @inline(__always)
  private func block(_ leaf: UInt64) -> UInt32 {
    UInt32(truncatingIfNeeded: Format.frame(ofLeaf: leaf, level: 0).rawValue)
  }
}
