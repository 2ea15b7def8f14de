internal import CMachine
internal import Synchronization

// The walker: the one piece of code that reads and writes page-table entries, for every format. What an entry
// says, it asks `format`.
//
// A range is edited table by table, not page by page: `forEachChunk` cuts it into the largest pieces that lie
// in one table and whose leaves have one size; each piece is one descent from the root and one loop.
//
//          level 2       level 1       level 0
//     |   index    |   index    |   index    |  offset  |   a virtual address, below the root's index
//
// An index has 9 bits with pages of 4 KiB.
//
// Making a mapping has three steps, and only the first can fail, before anything is written: 1.
// `tablesMissing` counts the tables that the mapping needs; the caller reserves that many frames; 2. `pin`
// puts them in place, and pins the lowest table of each piece; 3. `write`, or `fill` for an area, writes the
// leaves. Pins hold a table in place. An area, whoever its frames belong to, pins each of its lowest tables
// once, from before its leaves are written until it is gone for good: in between its entries are its own, and
// are written and cleared without a lock. A mapping by hand has a pin for each leaf, dropped with the leaf. A
// table pins the one above it. Counts and the tables' shape change under one lock.
//
// A table without a pin goes on a list of emptied tables. Later `detachEmptyTables` quarantines the
// entries of those that still have none: absent, but naming the table, which CPUs may have in their walk
// caches until they flush. A mapping that needs a table there before that revives the entry, and the walk
// caches are right again. After the flush `reapTables` frees the tables that were not revived. Those directly
// below the root stay for good. A leaf that is unmapped by hand is quarantined until its flush, too, and
// keeps its pin, so that nobody maps the page before.
//
// Present entries may be followed without a lock, as long as this CPU serves no flush meanwhile. A
// quarantined entry says that a table is there, and is followed under the lock alone: its table is freed by
// whoever finds the flush complete, and this CPU may have served that already.
//
// Every entry is loaded and stored as an atomic, relaxed but for the release of one that names a table: a
// plain loop of clears becomes a memset, which may tear an entry while the MMU reads it.

/// Where page-table frames come from when one must be put in place.
protocol TableSource: ~Copyable {
  /// The next cleared frame. The caller reserved as many as it takes.
  mutating func takeTable() -> FrameNumber
}

/// What the leaves of a mapping by hand point to.
protocol LeafSource: ~Copyable {
  /// The first frame of the next leaf of `span` pages.
  mutating func nextLeaf(span: UInt64) -> FrameNumber
}

extension PageTables {
  /// A piece of a range whose leaves have one size and lie in one table.
  struct Chunk {
    let level: Int
    /// Leaves, of 2^`spanShift` pages each.
    let leaves: UInt64
    let spanShift: UInt64
    var pages: UInt64 { leaves &<< spanShift }
  }

  /// The first piece of a mapping of `count` pages from `page` on: to the frames from `frame` on, or, with
  /// nil, to single frames wherever they lie.
  func chunk(_ page: PageNumber, _ count: UInt64, frame: FrameNumber?) -> Chunk {
    var level = 0
    if let frame {
      let alignment = page.rawValue | frame.rawValue
      #if Ablations
      let largest = Ablation.unsupportedLeaf.isOn ? format.highestLeafLevel : format.largestLeafLevel
      #else
      let largest = format.largestLeafLevel
      #endif
      while level < largest, alignment & (format.span(level &+ 1) &- 1) == 0,
        count >= format.span(level &+ 1)
      { level &+= 1 }
    }
    let shift = format.spanShift(level)
    return Chunk(
      level: level, leaves: min(count &>> shift, entriesToTableEnd(page, level: level)), spanShift: shift)
  }

  /// Calls `body` with the first page of each piece, in address order.
  @inline(__always)
  func forEachChunk<Failure: Error>(
    _ pages: PageRange, frame: FrameNumber?, _ body: (PageNumber, Chunk) throws(Failure) -> Void
  ) throws(Failure) {
    var offset: UInt64 = 0
    while offset < pages.count.rawValue {
      let page = PageNumber(pages.first.rawValue &+ offset)
      let chunk = chunk(
        page, pages.count.rawValue &- offset, frame: frame.map { FrameNumber($0.rawValue &+ offset) })
      try body(page, chunk)
      offset &+= chunk.pages
    }
  }

  // MARK: Mapping

  /// The lowest level that an area pins for a piece of its range: `level`, unless the piece lies before
  /// `end`, up to where large leaves are wanted, and is all that a table would lead to that does not exist.
  @inline(__always)
  private func levelToPin(_ page: PageNumber, level: Int, largeBefore end: PageNumber) -> Int {
    #if Ablations
    if Ablation.largeLeafOverTable.isOn, page < end, descend(to: level, for: page).level > level {
      return format.areaLeafLevel
    }
    #endif
    guard page < end, reach(to: level, for: page).level > level else { return level }
    return format.areaLeafLevel
  }

  /// Step 1, under the lock that `pin` is called under: the tables that a mapping needs and that do not
  /// exist. Changes nothing. O(tables of the range).
  /// - Throws: `alreadyMapped`, where a large leaf stands in the way, or, with `checkingLeaves`, any leaf,
  ///   also one that is unmapped and not flushed; `placeBusy` where an emptied or a quarantined table is in
  ///   the place of a large leaf.
  func tablesMissing(
    for pages: PageRange, frame: FrameNumber? = nil, large: PageCount = .zero, checkingLeaves: Bool = false
  ) throws(MemoryError) -> Int {
    var missing = 0
    let largeEnd = PageNumber(pages.first.rawValue &+ large.rawValue)
    try forEachChunk(pages, frame: frame) { (page, chunk) throws(MemoryError) in
      let (lowest, existing) = reach(to: chunk.level, for: page)
      if existing > chunk.level {
        try checkForLargeLeaf(lowest, page, level: existing)
        let wanted = levelToPin(page, level: chunk.level, largeBefore: largeEnd)
        // A table is shared with the pieces before this one unless its first page, or the range's, is here.
        for level in wanted..<existing
        where page == pages.first || page.rawValue & (format.span(level &+ 1) &- 1) == 0 { missing &+= 1 }
      } else if checkingLeaves {
        try check(lowest, page, level: existing, leaves: chunk.leaves)
      }
    }
    return missing
  }

  /// Refuses a large leaf.
  private func checkForLargeLeaf(_ frame: FrameNumber, _ page: PageNumber, level: Int) throws(MemoryError) {
    let value = entry(frame, index(of: page, level: level)).value.load(ordering: .relaxed)
    if isMapping(value, level: level) { throw .alreadyMapped(page.address(format.pageSize)) }
  }

  /// Whether an entry maps memory, or did so until a flush that may not be complete.
  @inline(__always)
  func isMapping(_ value: UInt64, level: Int) -> Bool { value != 0 && format.isLeaf(value, level: level) }

  /// Refuses entries that say anything.
  private func check(
    _ frame: FrameNumber, _ page: PageNumber, level: Int, leaves: UInt64
  ) throws(MemoryError) {
    let first = index(of: page, level: level)
    for step in 0..<Int(leaves) {
      let value = entry(frame, first &+ step).value.load(ordering: .relaxed)
      guard value != 0 else { continue }
      #if Ablations
      if Ablation.mapOverQuarantined.isOn && !format.isPresent(value) { continue }
      #endif
      let taken = PageNumber(page.rawValue &+ UInt64(step) &<< format.spanShift(level))
      let pages = PageRange(unchecked: taken, count: PageCount(format.span(level)))
      let isMapped = isMapping(value, level: level) || firstMapped(in: pages) != nil
      let address = taken.address(format.pageSize)
      throw isMapped ? .alreadyMapped(address) : .placeBusy(address)
    }
  }

  /// What `pin` has done: tables that it has put in place, and quarantined ones that lead somewhere again.
  struct Linked {
    var made = 0
    var revived = 0
    /// Whether entries that name tables were written.
    var isAny: Bool { made &+ revived > 0 }
  }

  /// Step 2: puts the missing tables in place, revives the quarantined ones, and pins the lowest table of
  /// each piece: for each leaf, or, for an area, once. Cannot fail.
  func pin(
    _ pages: PageRange, frame: FrameNumber? = nil, large: PageCount = .zero, eachLeaf: Bool = true,
    from source: inout some TableSource & ~Copyable
  ) -> Linked {
    var linked = Linked()
    let largeEnd = PageNumber(pages.first.rawValue &+ large.rawValue)
    forEachChunk(pages, frame: frame) { page, chunk in
      let wanted = levelToPin(page, level: chunk.level, largeBefore: largeEnd)
      var (lowest, level) = descend(to: chunk.level, for: page)
      while level > wanted {
        let slot = index(of: page, level: level)
        let value = entry(lowest, slot).value.load(ordering: .relaxed)
        let quarantined = format.quarantinedTable(value, level: level)
        let next = quarantined ?? source.takeTable()
        if quarantined == nil {
          adopt(next, below: lowest, at: slot)
          linked.made &+= 1
        } else {
          linked.revived &+= 1
        }
        entry(lowest, slot).publish(format.table(next))
        #if Ablations
        if Ablation.linkBeforeZero.isOn, quarantined == nil { table.zero(next) }
        #endif
        adjust(lowest, pins: 1, quarantined: quarantined == nil ? 0 : -1)
        lowest = next
        level &-= 1
      }
      adjust(lowest, pins: eachLeaf ? Int(truncatingIfNeeded: chunk.leaves) : 1)
    }
    return linked
  }

  /// Drops an area's pins; tables that have none left go on the list.
  /// - Parameter entryPointer: where the entries are, if they are in one lowest table; else zero.
  func unpin(_ pages: PageRange, at entryPointer: UInt = 0, emptied: inout FrameList) {
    assertLocked()
    guard entryPointer == 0 else {
      return unpin(table.frame(at: entryPointer), level: 0, 1, emptied: &emptied)
    }
    forEachChunk(pages, frame: nil) { page, chunk in
      let (lowest, level) = descend(to: chunk.level, for: page)
      unpin(lowest, level: level, 1, emptied: &emptied)
    }
  }

  /// Step 3: fills in the leaves. Cannot fail: `pin` was called with the same range and frame.
  /// - Returns: the entries written.
  @inline(__always)
  func write(
    _ pages: PageRange, frame: FrameNumber? = nil, _ attributes: MappingAttributes,
    from source: inout some LeafSource & ~Copyable
  ) -> Int {
    var written = 0
    forEachChunk(pages, frame: frame) { page, chunk in
      let (lowest, _) = descend(to: chunk.level, for: page)
      let bits = format.bits(attributes, level: chunk.level)
      let span = format.span(chunk.level)
      let first = entry(lowest, index(of: page, level: chunk.level))
      let leaves = Int(truncatingIfNeeded: chunk.leaves)
      for step in 0..<leaves {
        let leaf = format.leaf(source.nextLeaf(span: span), bits: bits)
        first[step].write(leaf)
      }
      written &+= leaves
    }
    return written
  }
}
