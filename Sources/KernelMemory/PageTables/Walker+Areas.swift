internal import Synchronization

/// What an unmap took out of the tables. CPUs may still translate through all of it, so it cannot be
/// freed: it goes into a `RetiredBatch`, and a completed flush takes it out of there.
struct Detached: ~Copyable {
  /// Blocks of frames that the cleared leaves owned.
  var frames = BlockList()
  /// Tables that became empty.
  var tables = FrameList()
  /// Entries cleared.
  var entries = 0
  /// Pages passed: those of the cleared entries.
  var pages: UInt64 = 0
  /// What that has cost: one for a block, and one for 32 of its pages.
  var work = 0

  /// Ends one that is empty.
  consuming func end() {
    frames.end()
    tables.end()
  }
}

/// What an area is to be filled with.
protocol BlockSource: ~Copyable {
  /// The next block, which is idle.
  mutating func nextBlock(_ table: FrameTable) -> (first: UInt32, order: Int)
}

extension BlockList: BlockSource {
  @inline(__always)
  mutating func nextBlock(_ table: FrameTable) -> (first: UInt32, order: Int) {
    guard let (first, state) = pop(table) else {
      preconditionFailure("more pages were mapped than reserved")
    }
    return (first, state.order)
  }
}

// An area's frames come in blocks, whose first frame's metadata says how many they are. So an area is filled
// and cleared block by block: what is said of a frame is said once for a block, and what is left for each
// page is one entry. Where `pin` has left a lowest table out, a block is mapped by one large leaf.
extension PageTables {
  /// Entries of one lowest table, from a page on; or the one entry in whose place a large leaf is.
  struct Run {
    var first: Entry
    var count: UInt64
    let level: Int

    @inline(__always)
    init(_ tables: PageTables, at page: PageNumber, before end: PageNumber) {
      (first, level) = tables.lowestEntry(of: page)
      count = level > 0 ? 1 : min(end.rawValue &- page.rawValue, tables.entriesToTableEnd(page, level: 0))
    }

    /// Entries that are all in one lowest table, from a known one on.
    @inline(__always)
    init(_ first: Entry, count: PageCount) { (self.first, self.count, level) = (first, count.rawValue, 0) }

    @inline(__always)
    mutating func advance(_ entries: UInt64) {
      first = first[Int(truncatingIfNeeded: entries)]
      count &-= entries
    }
  }

  /// The run in the next table. Not inlined: the loops over entries need the registers.
  @inline(never)
  private func nextRun(at page: PageNumber, before end: PageNumber) -> Run {
    Run(self, at: page, before: end)
  }

  /// Calls `body` with the next `count` entries, which end at a page, in as many tables as they lie.
  @inline(__always)
  private func forEachEntry(
    _ count: UInt64, of entries: inout Run, to page: PageNumber, before end: PageNumber,
    _ body: (Entry) -> Void
  ) {
    var left = count
    while true {
      let here = min(left, entries.count)
      for index in 0..<Int(truncatingIfNeeded: here) { body(entries.first[index]) }
      left &-= here
      entries.advance(here)
      guard left > 0 else { return }
      entries = nextRun(at: PageNumber(page.rawValue &- left), before: end)
    }
  }

  /// Step 3 of a mapping (Walker.swift), for an area: writes its leaves. Cannot fail.
  /// - Parameter leaves: where that is `base`, they say nothing of their neighbours.
  /// - Returns: the entries written.
  @inline(__always)
  func fill(
    _ pages: PageRange, area: UInt32, _ attributes: MappingAttributes, _ leaves: LeafPolicy,
    from source: inout some BlockSource & ~Copyable
  ) -> Int {
    var page = pages.first
    var entries = Run(self, at: page, before: pages.end)
    let bits = format.bits(attributes, level: 0)
    var written = 0
    while true {
      let block = source.nextBlock(table)
      let offset = UInt32(truncatingIfNeeded: page.rawValue &- pages.first.rawValue)
      table[block.first].value.map(order: block.order, area: area, page: offset)
      var frame = UInt64(block.first)
      let count = UInt64(1) &<< UInt64(truncatingIfNeeded: block.order)
      page = PageNumber(page.rawValue &+ count)
      if entries.level > 0 {
        let large = format.bits(attributes, level: format.areaLeafLevel)
        entries.first.write(format.leaf(FrameNumber(frame), bits: large))
        entries.count = 0
        written &+= 1
      } else {
        written &+= Int(truncatingIfNeeded: count)
        let bits = format.bits(bits, ofBlock: block.order, leaves, at: entries.first.address)
        forEachEntry(count, of: &entries, to: page, before: pages.end) { entry in
          entry.write(format.leaf(FrameNumber(frame), bits: bits))
          frame &+= 1
        }
      }
      guard page < pages.end else { return written }
      if entries.count == 0 { entries = nextRun(at: page, before: pages.end) }
    }
  }

  /// Clears leaves of an area, present or suspended, and detaches the blocks behind them: whole ones, from
  /// the first page on, until that is `limit` of work or some more. Their tables are pinned, so no lock is
  /// needed. Cannot fail.
  /// - Parameter entryPointer: where the entries are, if they are in one lowest table; else zero.
  @inline(__always)
  func detach(_ pages: PageRange, at entryPointer: UInt = 0, limit: Int = .max) -> Detached {
    var detached = Detached()
    var page = pages.first
    var entries =
      entryPointer == 0
      ? Run(self, at: page, before: pages.end) : Run(Entry(bitPattern: entryPointer), count: pages.count)
    repeat {
      if entries.count == 0 { entries = nextRun(at: page, before: pages.end) }
      let value = entries.first.value.load(ordering: .relaxed)
      guard value != 0 else {
        entries.advance(1)
        page = PageNumber(page.rawValue &+ 1)
        continue
      }
      let block = UInt32(
        truncatingIfNeeded: format.frame(ofLeaf: value, level: entries.level, page).rawValue)
      let metadata = table[block]
      let state = metadata.value.state
      metadata.value.setState(state.becoming(.retired, order: state.order))
      detached.frames.push(block, order: state.order, table)
      let count = UInt64(1) &<< UInt64(truncatingIfNeeded: state.order)
      page = PageNumber(page.rawValue &+ count)
      detached.work &+= 1 &+ Int(truncatingIfNeeded: count &>> 5)
      if entries.level > 0 {
        entries.first.write(0)
        entries.count = 0
        detached.entries &+= 1
        continue
      }
      detached.entries &+= Int(truncatingIfNeeded: count)
      forEachEntry(count, of: &entries, to: page, before: pages.end) { entry in entry.write(0) }
    } while page < pages.end && detached.work < limit
    detached.pages = page.rawValue &- pages.first.rawValue
    return detached
  }
}
