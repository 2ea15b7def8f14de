internal import Synchronization

extension PageTables {
  /// Quarantines every leaf of `pages`, whose frames are borrowed; leaves that stick out were split before.
  /// Their pins stay. O(pages + tables). Cannot fail.
  /// - Parameter pages: pages that are not mapped are passed over.
  /// - Returns: the entries that are absent now.
  func quarantine(_ pages: PageRange) -> Int {
    var sum = 0
    forEachStop(pages) { stop, first in
      for step in 0..<stop.entries {
        let value = first[step].value.load(ordering: .relaxed)
        guard format.isPresent(value) else { continue }
        first[step].write(format.quarantined(value))
        sum &+= 1
      }
    }
    return sum
  }

  /// Clears the leaves of `pages` that are in quarantine, after their flush, and drops their pins.
  /// - Parameter emptied: takes the tables that lose their last pin, for `detachEmptyTables`.
  func clearQuarantined(_ pages: PageRange, emptied: inout FrameList) {
    assertLocked()
    forEachStop(pages) { stop, first in
      var cleared = 0
      for step in 0..<stop.entries {
        let value = first[step].value.load(ordering: .relaxed)
        guard format.isQuarantined(value), format.isLeaf(value, level: stop.level) else { continue }
        first[step].write(0)
        cleared &+= 1
      }
      if cleared > 0 { unpin(stop.table, level: stop.level, cleared, emptied: &emptied) }
    }
  }

  /// Quarantines the entries of the listed tables that still have no pin, and of tables above them that lose
  /// their last pin by it; at most `limit` of them. O(tables × levels).
  /// - Parameters:
  ///   - emptied: the list.
  ///   - limit: tables.
  ///   - body: called with a page that each table has led to: a flush of it makes CPUs forget the table.
  func detachEmptyTables(
    _ emptied: inout FrameList, limit: Int, _ body: (PageNumber) -> Void
  ) -> Detached {
    assertLocked()
    var detached = Detached()
    while detached.tables.count < limit, let frame = emptied.pop(table) {
      let metadata = table[frame]
      assert(metadata.value.state.isListed, "a table is on a list, and does not know it")
      guard metadata.value.state.count == 0 else {
        metadata.value.setState(metadata.value.state.listed(false))
        continue
      }
      let (page, level) = place(of: frame)
      #if Ablations
      if !Ablation.tablesWithoutFlush.isOn { body(page) }
      #else
      body(page)
      #endif
      let parent = FrameNumber(UInt64(metadata.value.previous))
      let entry = entry(parent, metadata.value.state.slot)
      let value = entry.value.load(ordering: .relaxed)
      if format.isPresent(value) {
        entry.write(format.quarantined(value))
        adjust(parent, pins: 0, quarantined: 1)
        unpin(parent, level: level &+ 1, 1, emptied: &emptied)
      }
      // Behind the tables below it, which must be gone before it goes.
      detached.tables.append(frame, table)
    }
    return detached
  }

  /// Frees tables after their flush: those that were not revived, and below which none is quarantined. A
  /// revived one stays, or goes back on the list; one with a quarantined table below it waits for that one,
  /// on no list. O(tables).
  /// - Returns: the frames of up to `limit` tables, all zero.
  func reapTables(_ tables: inout FrameList, limit: Int, emptied: inout FrameList) -> FrameList {
    assertLocked()
    var taken = FrameList()
    for _ in 0..<limit {
      guard let frame = tables.pop(table) else { break }
      let metadata = table[frame]
      let state = metadata.value.state
      assert(state.isListed, "a table is in a batch, and does not know it")
      let parent = FrameNumber(UInt64(metadata.value.previous))
      let entry = entry(parent, state.slot)
      let isPresent = format.isPresent(entry.value.load(ordering: .relaxed))
      if state.count > 0 || state.quarantined > 0 && !isPresent {
        metadata.value.setState(state.listed(false))
      } else if isPresent {
        emptied.push(frame, table)
      } else {
        entry.write(0)
        metadata.value.setState(state.becoming(.idle))
        taken.push(frame, table)
        noteTaken(below: UInt32(truncatingIfNeeded: parent.rawValue), emptied: &emptied)
      }
    }
    return taken
  }

  /// Counts one quarantined table less below `parent`. If that is quarantined itself and this was the last
  /// that it waited for, it goes back on the list.
  private func noteTaken(below parent: UInt32, emptied: inout FrameList) {
    let metadata = table[parent]
    let state = metadata.value.state.adding(count: 0, quarantined: -1)
    metadata.value.setState(state)
    guard state.count == 0, state.quarantined == 0, !state.isListed,
      format.isQuarantined(
        entry(FrameNumber(UInt64(metadata.value.previous)), state.slot).value.load(ordering: .relaxed))
    else { return }
    metadata.value.setState(state.listed(true))
    emptied.push(parent, table)
  }

  /// The first page that a table leads to, and the table's level: the slots on the way to the root are the
  /// page number's parts.
  private func place(of frame: UInt32) -> (page: PageNumber, level: Int) {
    var at = frame
    var page: UInt64 = 0
    var depth = 0
    while UInt64(at) != root.rawValue {
      let slot = UInt64(truncatingIfNeeded: table[at].value.state.slot)
      page |= slot &<< format.spanShift(depth)
      at = table[at].value.previous
      depth &+= 1
    }
    page = page &<< format.spanShift(format.levels &- depth)
    return (format.canonical(PageNumber(page)), format.levels &- 1 &- depth)
  }
}

// MARK: - Splitting

extension PageTables {
  /// The tables that splitting takes before `pages` can be cleared: a large leaf that sticks out of an end
  /// becomes a table of smaller ones, again and again until what sticks out is left alone.
  /// - Throws: `breakBeforeMake` where the format does not allow that for a live leaf.
  func tablesToSplit(_ pages: PageRange) throws(MemoryError) -> Int {
    guard !pages.isEmpty else { return 0 }
    let last = PageNumber(pages.end.rawValue &- 1)
    let needed = splits(at: pages.first, pages) + splits(at: last, pages, sharedWith: pages.first)
    #if Ablations
    if Ablation.splitLive.isOn { return needed }
    #endif
    if needed > 0 && format.splitNeedsBreakBeforeMake {
      throw .breakBeforeMake(pages.first.address(format.pageSize))
    }
    return needed
  }

  private func splits(at page: PageNumber, _ pages: PageRange, sharedWith other: PageNumber? = nil) -> Int {
    guard let leaf = leaf(at: page) else { return 0 }
    var needed = 0
    var level = leaf.level
    while level > 0, sticksOut(page, level: level, of: pages) {
      let isShared = other.map { ($0.rawValue ^ page.rawValue) &>> format.spanShift(level) == 0 } ?? false
      if !isShared { needed &+= 1 }
      level &-= 1
    }
    return needed
  }

  private func sticksOut(_ page: PageNumber, level: Int, of pages: PageRange) -> Bool {
    let first = page.rawValue & ~(format.span(level) &- 1)
    return first < pages.first.rawValue || first &+ format.span(level) > pages.end.rawValue
  }

  /// Splits the large leaves that stick out of `pages`; translations stay as they are. Cannot fail.
  /// - Returns: the leaves split.
  func split(_ pages: PageRange, from source: inout some TableSource & ~Copyable) -> Int {
    assertLocked()
    guard !pages.isEmpty else { return 0 }
    let last = PageNumber(pages.end.rawValue &- 1)
    return split(at: pages.first, pages, from: &source) + split(at: last, pages, from: &source)
  }

  private func split(
    at page: PageNumber, _ pages: PageRange, from source: inout some TableSource & ~Copyable
  ) -> Int {
    var count = 0
    while let leaf = leaf(at: page), leaf.level > 0, sticksOut(page, level: leaf.level, of: pages) {
      let new = source.takeTable()
      adopt(new, below: leaf.table, at: index(of: page, level: leaf.level))
      let value = leaf.entry.value.load(ordering: .relaxed)
      let frame = format.frame(ofLeaf: value, level: leaf.level, page)
      let bits = format.bits(format.attributes(of: value, level: leaf.level), level: leaf.level &- 1)
      let span = format.span(leaf.level &- 1)
      #if Ablations
      if Ablation.splitLinksFirst.isOn { leaf.entry.publish(format.table(new)) }
      #endif
      for index in 0..<format.span(1) {
        let part = format.leaf(FrameNumber(frame.rawValue &+ index &* span), bits: bits)
        entry(new, Int(index)).write(part)
      }
      adjust(new, pins: Int(format.span(1)))
      leaf.entry.publish(format.table(new))
      count &+= 1
    }
    return count
  }
}
