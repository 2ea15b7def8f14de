internal import Synchronization

// Small areas, whose tables are pinned, remember where their entries are: these are written, made absent when
// the area is freed, and present again when it is handed out, without a descent.

extension PageTables {
  /// Where the entry of the first page is, if the others' are behind it in the same table; else zero.
  func entryPointer(of pages: PageRange) -> UInt {
    lowestTable(of: pages).map { entry($0, index(of: pages.first, level: 0)).address } ?? 0
  }

  /// The same of the large leaves that all pages are mapped by.
  func largeEntryPointer(of pages: PageRange) -> UInt {
    let level = format.areaLeafLevel
    guard pages.count.rawValue &>> format.spanShift(level) <= entriesToTableEnd(pages.first, level: level)
    else { return 0 }
    let (first, found) = lowestEntry(of: pages.first)
    return found == level ? first.address : 0
  }

  /// Pins the one table of an area, or of several, that has them, and finds the entry of the first page.
  /// - Returns: zero, with nothing done, where it is not there, or the pages are in several.
  func pinAndFindEntry(of pages: PageRange, areas: Int = 1) -> UInt {
    guard let lowest = lowestTable(of: pages) else { return 0 }
    adjust(lowest, pins: areas)
    return entry(lowest, index(of: pages.first, level: 0)).address
  }

  /// Whether the entries of all pages are in one table, or would be if it were there.
  @inline(__always)
  func isOfOneTable(_ pages: PageRange) -> Bool {
    pages.count.rawValue <= entriesToTableEnd(pages.first, level: 0)
  }

  /// The one table that the entries of all pages are in; nil where it is not there, or there are several.
  @inline(__always)
  private func lowestTable(of pages: PageRange) -> FrameNumber? {
    guard isOfOneTable(pages) else { return nil }
    let (lowest, level) = descend(to: 0, for: pages.first)
    return level == 0 ? lowest : nil
  }

  /// Fills an area with one block of 2^`order` frames; its entries lie in one table.
  /// - Parameters:
  ///   - leaves: where that is `base`, they say nothing of their neighbours.
  ///   - isSuspended: whether they are to be as `suspend` leaves them.
  @inline(__always)
  func fill(
    at entryPointer: UInt, _ block: UInt32, order: Int, area: UInt32, _ attributes: MappingAttributes,
    _ leaves: LeafPolicy, isSuspended: Bool = false
  ) {
    table[block].value.map(order: order, area: area, page: 0)
    let bits = format.bits(format.bits(attributes, level: 0), ofBlock: order, leaves, at: entryPointer)
    let first = Entry(bitPattern: entryPointer)
    for index in 0..<(1 &<< order) {
      let frame = FrameNumber(UInt64(block) &+ UInt64(truncatingIfNeeded: index))
      let leaf = format.leaf(frame, bits: bits)
      first[index].write(isSuspended ? format.quarantined(leaf) : leaf)
    }
  }

  /// Makes entries of an area, one at least, absent that go on saying what they map: a CPU may translate
  /// through them until a flush, and their frames stay theirs.
  @inline(__always)
  func suspend(_ count: UInt64, at entryPointer: UInt) {
    change(count, at: entryPointer) { value in format.quarantined(value) }
  }

  /// Makes entries present again that `suspend` has made absent.
  @inline(__always)
  func revive(_ count: UInt64, at entryPointer: UInt) {
    change(count, at: entryPointer) { value in format.revived(value) }
  }

  @inline(__always)
  private func change(_ count: UInt64, at entryPointer: UInt, _ change: (UInt64) -> UInt64) {
    let end = entryPointer &+ UInt(count) &* 8
    var address = entryPointer
    repeat {
      let entry = Entry(bitPattern: address)
      entry.write(change(entry.value.load(ordering: .relaxed)))
      address &+= 8
    } while address != end
  }

  /// Suspends an area whose entries may lie in several tables.
  func suspend(_ pages: PageRange) {
    forEachRun(of: pages) { entries in suspend(entries.count, at: entries.first.address) }
  }

  /// Revives an area whose entries may lie in several tables.
  func revive(_ pages: PageRange) {
    forEachRun(of: pages) { entries in revive(entries.count, at: entries.first.address) }
  }

  /// Calls `body` with the entries of `pages`, table by table.
  func forEachRun(of pages: PageRange, _ body: (Run) -> Void) {
    var page = pages.first
    while page < pages.end {
      let run = Run(self, at: page, before: pages.end)
      body(run)
      page = PageNumber(page.rawValue &+ run.count)
    }
  }
}
