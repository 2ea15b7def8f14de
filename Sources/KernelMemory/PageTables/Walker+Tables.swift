internal import Synchronization

extension Walker {
  /// How many entries of the root that `pages` touches name no table yet.
  func tablesBelowRootMissing(for pages: PageRange) -> Int {
    var missing = 0
    forEachRootEntry(of: pages) { entry in
      if !Format.isPresent(entry.value.load(ordering: .relaxed)) { missing &+= 1 }
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
    forEachRootEntry(of: pages) { entry in
      guard !Format.isPresent(entry.value.load(ordering: .relaxed)) else { return }
      let new = source.takeTable()
      adopt(new, below: root)
      entry.value.store(Format.table(new), ordering: .releasing)
      adjust(root, count: 1)
      made &+= 1
    }
    return made
  }

  private func forEachRootEntry(of pages: PageRange, _ body: (Entry) -> Void) {
    guard !pages.isEmpty else { return }
    let level = format.levels &- 1
    let first = index(of: pages.first, level: level)
    let last = index(of: PageNumber(pages.end.rawValue &- 1), level: level)
    for index in first...last { body(entry(root, index)) }
  }

  /// Marks every table as one, with the entries that are present.
  func adoptAll() {
    forEachTable { frame, parent, _ in
      adopt(frame, below: parent)
      adjust(frame, count: presentEntries(frame))
    }
  }

  /// Checks, while nothing runs, that tables are marked as such, count their entries, and hold no pins;
  /// and that none but those directly below the root is empty. O(tables).
  func validate() -> StaticString? {
    var problem: StaticString?
    forEachTable { frame, parent, level in
      guard let state = table.metadata(of: frame)?.value.state else {
        problem = "a page table lies in a frame without metadata"
        return
      }
      if state.kind != .table { problem = "a page table's frame is not marked as one" }
      if state.count != presentEntries(frame) { problem = "a page table's count of entries is wrong" }
      if table.metadata(of: frame)?.value.previous != UInt32(truncatingIfNeeded: parent.rawValue) {
        problem = "a page table does not know the table above it"
      }
      if state.pins != 0 { problem = "a page table is pinned" }
      if state.count == 0 && !state.isListed && level < format.levels &- 2 {
        problem = "an empty page table was kept"
      }
    }
    return problem
  }
}
