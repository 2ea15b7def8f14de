internal import CMachine
internal import Synchronization

extension PageTables {
  /// Where a descent for a page ended: some entries of one table that a range covers.
  struct Stop {
    let page: PageNumber
    let table: FrameNumber
    let level: Int
    /// At level 0 all entries of the range in this table; above it, one: a large leaf, or nothing.
    let entries: Int
    /// The first page after them.
    let next: PageNumber
  }

  /// The entries at `page`, as far as `end` goes.
  @inline(__always)
  func stop(at page: PageNumber, before end: PageNumber) -> Stop {
    let (lowest, level) = descend(to: 0, for: page)
    guard level == 0 else {
      let span = format.span(level)
      return Stop(
        page: page, table: lowest, level: level, entries: 1,
        next: PageNumber((page.rawValue & ~(span &- 1)) &+ span))
    }
    let count = min(end.rawValue &- page.rawValue, entriesToTableEnd(page, level: 0))
    return Stop(
      page: page, table: lowest, level: 0, entries: Int(truncatingIfNeeded: count),
      next: PageNumber(page.rawValue &+ count))
  }

  /// Calls `body` with each stop on the way through `pages`, and the first of its entries.
  @inline(__always)
  func forEachStop(_ pages: PageRange, _ body: (Stop, Entry) -> Void) {
    var page = pages.first
    while page < pages.end {
      let stop = stop(at: page, before: pages.end)
      body(stop, entry(stop.table, index(of: page, level: stop.level)))
      page = stop.next
    }
  }

  /// The entry that maps `page`, if one does.
  func leaf(at page: PageNumber) -> (table: FrameNumber, entry: Entry, level: Int)? {
    let (lowest, level) = descend(to: 0, for: page)
    let entry = entry(lowest, index(of: page, level: level))
    return format.isPresent(entry.value.load(ordering: .relaxed)) ? (lowest, entry, level) : nil
  }

  /// The frame behind an address. O(levels), lock-free. Each entry on the way is read once: what it said then
  /// is what counts.
  @inline(__always)
  func frame(at address: VirtualAddress) -> FrameNumber? {
    let page = address.number(format.pageSize)
    var level = format.leastLevels &- 1
    var start = rootTable
    var index: Int
    if _fastPath(format.levels == format.leastLevels) {
      guard let first = format.rootIndex(of: address, levels: format.leastLevels) else { return nil }
      index = first
    } else {
      guard format.isCanonical(PageRange(unchecked: page, count: PageCount(1))) else { return nil }
      let (top, reached) = walkStart(for: page)
      guard reached == level else { return nil }
      start = table.address(of: top, format.pageSize)
      index = self.index(of: page, level: level)
    }
    while level > 0 {
      let value = Entry(at: start)[index].value.load(ordering: .relaxed)
      guard format.isPresent(value) else { return nil }
      if level <= format.highestLeafLevel, format.isLeaf(value, level: level) {
        let offset = page.rawValue & (format.span(level) &- 1)
        return FrameNumber(format.frame(ofLeaf: value, level: level, page).rawValue &+ offset)
      }
      start = table.address(of: format.nextTableAddress(value))
      level &-= 1
      index = self.index(of: page, level: level)
    }
    cmachine_step(cmachine_step_entry_found)
    let value = Entry(at: start)[index].value.load(ordering: .relaxed)
    return format.isPresent(value) ? format.frame(ofLeaf: value, level: 0, page) : nil
  }

  /// The leaf that maps `page`: all its pages, its first frame, its attributes. O(levels), lock-free.
  func query(_ page: PageNumber) -> MappedRange? {
    guard let leaf = leaf(at: page) else { return nil }
    cmachine_step(cmachine_step_entry_found)
    let value = leaf.entry.value.load(ordering: .relaxed)
    guard isLeaf(value, level: leaf.level) else { return nil }
    return mappedRange(value, page, level: leaf.level)
  }

  /// Whether an entry maps memory. One that was absent when a descent came to it may name a table by now.
  @inline(__always)
  private func isLeaf(_ value: UInt64, level: Int) -> Bool {
    format.isPresent(value) && format.isLeaf(value, level: level)
  }

  private func mappedRange(_ value: UInt64, _ page: PageNumber, level: Int) -> MappedRange {
    let span = format.span(level)
    return MappedRange(
      pages: PageRange(
        unchecked: PageNumber(page.rawValue & ~(span &- 1)), count: PageCount(span)),
      frame: format.frame(ofLeaf: value, level: level, page),
      attributes: format.attributes(of: value, level: level))
  }

  /// Every leaf that maps a page of `pages`, in address order. O(tables + pages at level 0).
  func visit(_ pages: PageRange, _ body: (MappedRange) -> Void) {
    forEachStop(pages) { stop, first in
      for step in 0..<stop.entries {
        let value = first[step].value.load(ordering: .relaxed)
        guard isLeaf(value, level: stop.level) else { continue }
        body(mappedRange(value, PageNumber(stop.page.rawValue &+ UInt64(step)), level: stop.level))
      }
    }
  }

  /// The first page of `pages` that is mapped, or was until a flush that may not be complete: under the lock.
  /// O(tables + pages at level 0).
  func firstMapped(in pages: PageRange) -> PageNumber? {
    var page = pages.first
    while page < pages.end {
      let stop = stop(at: page, before: pages.end)
      let first = entry(stop.table, index(of: page, level: stop.level))
      for step in 0..<stop.entries
      where isMapping(first[step].value.load(ordering: .relaxed), level: stop.level) {
        return PageNumber(page.rawValue &+ UInt64(step))
      }
      page = stop.next
    }
    return nil
  }

  /// Every leaf of the address space: the lower half, then the upper.
  func visitAll(_ body: (MappedRange) -> Void) {
    let half = UInt64(1) &<< (format.pageNumberBits &- 1)
    let end = UInt64(1) &<< (64 - UInt64(format.pageSize.shift))
    visit(PageRange(from: PageNumber(0), upTo: PageNumber(half)), body)
    visit(PageRange(from: PageNumber(end - half), upTo: PageNumber(end)), body)
  }

  /// A table, and where it stands. The root stands in itself.
  struct TablePlace {
    let table: FrameNumber
    let parent: FrameNumber
    let slot: Int
    let level: Int
    /// The first page that it leads to.
    let page: PageNumber
  }

  /// Calls `body` with every table, the root first.
  func forEachTable(_ body: (TablePlace) -> Void) {
    let root = TablePlace(table: root, parent: root, slot: 0, level: format.levels &- 1, page: PageNumber(0))
    forEachTable(root, body)
  }

  private func forEachTable(_ place: TablePlace, _ body: (TablePlace) -> Void) {
    body(place)
    guard place.level > 0 else { return }
    for slot in 0..<Int(format.entryCount(place.level)) {
      let value = entry(place.table, slot).value.load(ordering: .relaxed)
      guard format.isPresent(value), !format.isLeaf(value, level: place.level) else { continue }
      let page = PageNumber(place.page.rawValue | UInt64(slot) &<< format.spanShift(place.level))
      forEachTable(
        TablePlace(
          table: format.nextTable(value), parent: place.table, slot: slot, level: place.level &- 1,
          page: format.canonical(page)), body)
    }
  }

  /// The entries of a table of `level` that are present.
  func presentEntries(_ frame: FrameNumber, level: Int) -> Int {
    var count = 0
    for index in 0..<Int(format.entryCount(level))
    where format.isPresent(entry(frame, index).value.load(ordering: .relaxed)) { count &+= 1 }
    return count
  }
}
