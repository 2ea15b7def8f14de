extension Arena {
  /// Checks every invariant of this room while nothing runs, and names the first that does not hold.
  /// O(pieces + pages of areas).
  func validate() -> StaticString? {
    var piece = state.value.firstPiece
    var before: UInt32 = 0
    var expected = range.first.rawValue
    var (holes, areas) = (0, 0)
    while piece != 0 {
      let descriptor = pool[piece]
      guard descriptor.value.first == expected, descriptor.value.before == before else {
        return "the pieces of a range are not linked in address order without a gap"
      }
      guard descriptor.value.span > 0 else { return "a piece of a range is empty" }
      switch descriptor.value.state {
      case .spare: return "a piece of a range is a spare descriptor"
      case .hole:
        if before != 0 && pool[before].value.state == .hole { return "two holes are neighbours" }
        holes &+= 1
      case .live, .preparing, .retired, .unpinned, .cached, .borrowing, .dropped, .resizing:
        areas &+= 1
      }
      if let problem = checkIndex(piece) { return problem }
      expected = descriptor.value.end
      before = piece
      piece = descriptor.value.after
    }
    if expected != range.end.rawValue { return "the pieces do not cover their range" }
    if areas != state.value.areaCount { return "the areas of a range are counted wrong" }
    return holes == state.value.bins.validate(pool)
      ? nil : "a hole is missing from the bins, or in the wrong one"
  }

  /// How many areas pin the tables of a page of `pages`. O(pieces in between).
  func pinningAreas(in pages: PageRange) -> Int {
    guard range.overlaps(pages) else { return 0 }
    var piece = pages.first <= range.first ? 0 : index.lastArea(notAfter: pages.first.rawValue)
    if piece == 0 { piece = state.value.firstPiece }
    var count = 0
    while piece != 0, pool[piece].value.first < pages.end.rawValue {
      if pool[piece].value.state.hasPins && pool[piece].value.pinnedPages.overlaps(pages) { count &+= 1 }
      piece = pool[piece].value.after
    }
    return count
  }

  private func checkIndex(_ piece: UInt32) -> StaticString? {
    let descriptor = pool[piece]
    let owner = descriptor.value.state == .hole ? 0 : piece
    // Every page of a small piece; of a large one the pages at its edges.
    let span = descriptor.value.span
    for offset in 0..<min(span, 64) {
      if index.area(at: descriptor.value.first &+ offset) != owner
        || index.area(at: descriptor.value.end &- 1 &- offset) != owner
      {
        return "the index disagrees with the pieces"
      }
    }
    return nil
  }
}

extension ArenaTable {
  /// How many areas of any arena pin the tables of a page of `pages`.
  func pinningAreas(in pages: PageRange) -> Int {
    var count = 0
    forEach { arena in count &+= arena.pinningAreas(in: pages) }
    return count
  }
}

extension AreaDescriptor {
  /// The pages whose tables an area pins.
  fileprivate var pinnedPages: PageRange {
    // Of a small area it says where its entries are, which is more than twice its pages.
    let isUnpinning = state == .retired && progress > pageCount && progress <= 2 &* pageCount
    let unpinned = isUnpinning ? progress &- pageCount : 0
    return PageRange(unchecked: PageNumber(first &+ unpinned), count: PageCount(pageCount &- unpinned))
  }
}
