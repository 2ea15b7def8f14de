internal import Synchronization

extension PageTables {
  /// How many entries of the root that `pages` touches name no table yet.
  func tablesBelowRootMissing(for pages: PageRange) -> Int {
    var missing = 0
    forEachRootEntry(of: pages) { entry, _ in
      if !format.isPresent(entry.value.load(ordering: .relaxed)) { missing &+= 1 }
    }
    return missing
  }

  /// Gives every entry of the root that `pages` touches its table. An address space that copies the root
  /// later then shares all that is mapped below it, and needs no copy at fault time.
  /// - Returns: the tables put in place.
  func makeTablesBelowRoot(
    for pages: PageRange, from source: inout some TableSource & ~Copyable
  ) -> Int {
    var made = 0
    forEachRootEntry(of: pages) { entry, slot in
      guard !format.isPresent(entry.value.load(ordering: .relaxed)) else { return }
      let new = source.takeTable()
      adopt(new, below: root, at: slot)
      entry.publish(format.table(new))
      adjust(root, pins: 1)
      made &+= 1
    }
    return made
  }

  private func forEachRootEntry(of pages: PageRange, _ body: (Entry, Int) -> Void) {
    guard !pages.isEmpty else { return }
    let level = format.levels &- 1
    let first = index(of: pages.first, level: level)
    let last = index(of: PageNumber(pages.end.rawValue &- 1), level: level)
    for index in first...last { body(entry(root, index), index) }
  }

  /// Marks every table as one, with a pin for each entry that is present.
  func adoptAll() {
    forEachTable { place in
      adopt(place.table, below: place.parent, at: place.slot)
      adjust(place.table, pins: presentEntries(place.table, level: place.level))
    }
  }

  /// Checks, while nothing runs, that tables are marked as such, know their place, and have as many pins as
  /// they should; and that none but those directly below the root, or on a list, has none. O(tables).
  /// - Parameter areas: how many areas have a page in a range, and whether their leaves are in it.
  func validate(areas: (PageRange) -> Int) -> StaticString? {
    var problem: StaticString?
    forEachTable { place in
      if let found = check(place, areas) { problem = found }
    }
    return problem
  }

  private func check(_ place: TablePlace, _ areas: (PageRange) -> Int) -> StaticString? {
    guard let metadata = table.metadata(of: place.table) else {
      return "a page table lies in a frame without metadata"
    }
    let state = metadata.value.state
    if state.kind != .table { return "a page table's frame is not marked as one" }
    if metadata.value.previous != UInt32(truncatingIfNeeded: place.parent.rawValue)
      || state.slot != place.slot
    {
      return "a page table does not know its place"
    }
    if state.quarantined != quarantinedEntries(place.table, level: place.level) {
      return "a page table's count of quarantined tables is wrong"
    }
    if state.count != pins(place, areas) { return "a page table's count of pins is wrong" }
    if place.level == 0 && !hasWholeGroups(place) { return "a group of contiguous leaves is not whole" }
    if state.count == 0 && !state.isListed && place.level < format.levels &- 2 {
      return "an empty page table is on no list"
    }
    return nil
  }

  /// Whether contiguous leaves come in groups, aligned on both sides, of which all or none are present.
  private func hasWholeGroups(_ place: TablePlace) -> Bool {
    let mark = format.contiguousMark
    guard mark != 0 else { return true }
    let group = UInt64(1) &<< UInt64(truncatingIfNeeded: format.contiguousOrder)
    for slot in 0..<format.entryCount(0) {
      let first = slot & ~(group &- 1)
      func leaf(_ slot: UInt64) -> (value: UInt64, frame: UInt64) {
        let value = entry(place.table, Int(slot)).value.load(ordering: .relaxed)
        let page = PageNumber(place.page.rawValue &+ slot)
        return (value, format.frame(ofLeaf: value, level: 0, page).rawValue)
      }
      let (one, leader) = (leaf(slot), leaf(first))
      guard one.value & mark == mark || leader.value & mark == mark else { continue }
      guard one.value & mark == leader.value & mark, one.frame == leader.frame &+ (slot &- first),
        leader.frame & (group &- 1) == 0, format.isPresent(one.value) == format.isPresent(leader.value)
      else { return false }
    }
    return true
  }

  private func quarantinedEntries(_ frame: FrameNumber, level: Int) -> Int {
    var count = 0
    for slot in 0..<Int(format.entryCount(level)) {
      let value = entry(frame, slot).value.load(ordering: .relaxed)
      if format.quarantinedTable(value, level: level) != nil { count &+= 1 }
    }
    return count
  }

  /// The pins that a table should have. Leaves of areas have none of their own: an area pins its lowest
  /// tables once, and the one above them for each lowest table that a large leaf spares it.
  private func pins(_ place: TablePlace, _ areas: (PageRange) -> Int) -> Int {
    var pins = 0
    for slot in 0..<Int(format.entryCount(place.level)) {
      let value = entry(place.table, slot).value.load(ordering: .relaxed)
      let page = PageNumber(place.page.rawValue &+ UInt64(slot) &<< format.spanShift(place.level))
      let pages = PageRange(unchecked: page, count: PageCount(format.span(place.level)))
      switch place.level {
      case 0: if value != 0 && areas(pages) == 0 { pins &+= 1 }
      // Cleared large leaves of an area that is on its way back are pinned, too.
      case format.areaLeafLevel where value == 0: pins &+= areas(pages)
      default: if format.isPresent(value) || isMapping(value, level: place.level) { pins &+= 1 }
      }
    }
    guard place.level == 0 else { return pins }
    return pins &+ areas(PageRange(unchecked: place.page, count: PageCount(format.span(1))))
  }
}
