internal import Synchronization

/// What an unmap took out of the tables. CPUs may still translate through all of it, so it cannot be
/// freed: it goes into a `RetiredBatch`, and a completed flush takes it out of there.
struct Detached: ~Copyable {
  /// Frames that the cleared leaves owned.
  var frames = FrameList()
  /// Tables that became empty.
  var tables = FrameList()
  var entriesCleared = 0

  /// Ends one that is empty.
  consuming func end() {
    frames.end()
    tables.end()
  }
}

extension Walker {
  /// Clears every leaf of `pages`; leaves that stick out were split before. O(pages + tables). Cannot fail.
  /// - Parameters:
  ///   - owned: the leaves' frames belong to the mapping and are detached with it; else they are borrowed.
  ///   - emptied: takes the tables that become empty, for `prune`.
  func clear(_ pages: PageRange, owned: Bool, emptied: inout EmptiedTables) -> Detached {
    var detached = Detached()
    var page = pages.first
    while page < pages.end {
      let stop = stop(at: page, before: pages.end)
      let cleared = clear(stop, page, owned: owned, into: &detached)
      if cleared > 0 {
        adjust(stop.table, count: -cleared)
        if stop.level < format.levels &- 2 { list(stop.table, level: stop.level, in: &emptied) }
      }
      page = stop.next
    }
    return detached
  }

  @inline(__always)
  private func clear(_ stop: Stop, _ page: PageNumber, owned: Bool, into detached: inout Detached) -> Int {
    let first = entry(stop.table, index(of: page, level: stop.level))
    var cleared = 0
    for step in 0..<stop.entries {
      let value = first[step].value.load(ordering: .relaxed)
      guard Format.isPresent(value) else { continue }
      first[step].value.store(0, ordering: .relaxed)
      cleared &+= 1
      guard owned else { continue }
      let frame = UInt32(truncatingIfNeeded: Format.frame(ofLeaf: value, level: stop.level).rawValue)
      let metadata = table[frame]
      metadata.value.setState(metadata.value.state.becoming(.idle))
      detached.frames.push(frame, table)
    }
    detached.entriesCleared &+= cleared
    return cleared
  }

  /// Notes a table that has become empty.
  private func list(_ frame: FrameNumber, level: Int, in emptied: inout EmptiedTables) {
    guard let metadata = table.metadata(of: frame) else { return }
    let state = metadata.value.state
    guard state.kind == .table, state.count == 0, !state.isListed else { return }
    metadata.value.setState(FrameState(rawValue: state.listed(true).rawValue | UInt64(level) &<< 8))
    emptied.push(UInt32(truncatingIfNeeded: frame.rawValue), table)
  }

  /// Detaches the tables of a list that are still empty and not pinned, and the tables above them that this
  /// empties; at most `limit` of them. O(tables × entries of a table).
  func prune(_ emptied: inout EmptiedTables, limit: Int) -> Detached {
    var detached = Detached()
    while detached.tables.count < limit, let frame = emptied.pop(table) {
      let metadata = table[frame]
      let state = metadata.value.state
      metadata.value.setState(
        FrameState(rawValue: state.listed(false).rawValue & ~0xff00))
      guard state.count == 0, state.pins == 0 else { continue }
      let parent = FrameNumber(UInt64(metadata.value.previous))
      remove(frame, from: parent)
      adjust(parent, count: -1)
      metadata.value.setState(state.becoming(.idle))
      detached.tables.push(frame, table)
      if state.order < format.levels &- 3 { list(parent, level: state.order &+ 1, in: &emptied) }
    }
    return detached
  }

  /// Clears the entry of `parent` that names the table `frame`.
  private func remove(_ frame: UInt32, from parent: FrameNumber) {
    let wanted = Format.table(FrameNumber(UInt64(frame)))
    for index in 0..<Int(Format.span(1)) {
      let entry = entry(parent, index)
      let value = entry.value.load(ordering: .relaxed)
      if Format.isPresent(value), Format.nextTable(value) == Format.nextTable(wanted) {
        entry.value.store(0, ordering: .relaxed)
        return
      }
    }
  }
}

/// Tables that became empty and are still in place: a chain through their metadata, each at most once
/// on one. They are detached later, if they are empty then: a table that empties is often filled again
/// at once.
struct EmptiedTables {
  private var head: UInt32 = 0
  private(set) var count = 0

  mutating func push(_ frame: UInt32, _ table: FrameTable) {
    table[frame].value.setLinks(next: head, previous: table[frame].value.previous)
    head = frame
    count &+= 1
  }

  mutating func pop(_ table: FrameTable) -> UInt32? {
    guard count != 0 else { return nil }
    let frame = head
    head = table[frame].value.next
    count &-= 1
    return frame
  }
}

// MARK: - Splitting

extension Walker {
  /// The tables that splitting takes before `pages` can be cleared: a large leaf that sticks out of an end
  /// becomes a table of smaller ones, again and again until what sticks out is left alone.
  /// - Throws: `breakBeforeMake` where the format does not allow that for a live leaf.
  func tablesToSplit(_ pages: PageRange) throws(MemoryError) -> Int {
    guard !pages.isEmpty else { return 0 }
    let last = PageNumber(pages.end.rawValue &- 1)
    let needed = splits(at: pages.first, pages) + splits(at: last, pages, sharedWith: pages.first)
    if needed > 0 && Format.splitNeedsBreakBeforeMake {
      throw .breakBeforeMake(pages.first.address(Format.pageSize))
    }
    return needed
  }

  private func splits(at page: PageNumber, _ pages: PageRange, sharedWith other: PageNumber? = nil) -> Int {
    guard let leaf = leaf(at: page) else { return 0 }
    var needed = 0
    var level = leaf.level
    while level > 0, sticksOut(page, level: level, of: pages) {
      let isShared = other.map { ($0.rawValue ^ page.rawValue) &>> Format.spanShift(level) == 0 } ?? false
      if !isShared { needed &+= 1 }
      level &-= 1
    }
    return needed
  }

  private func sticksOut(_ page: PageNumber, level: Int, of pages: PageRange) -> Bool {
    let first = page.rawValue & ~(Format.span(level) &- 1)
    return first < pages.first.rawValue || first &+ Format.span(level) > pages.end.rawValue
  }

  /// Splits the large leaves that stick out of `pages`; translations stay as they are. Cannot fail.
  /// - Returns: the leaves split.
  func split(_ pages: PageRange, from source: inout some TableSource & ~Copyable) -> Int {
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
      adopt(new, below: leaf.table)
      let value = leaf.entry.value.load(ordering: .relaxed)
      let frame = Format.frame(ofLeaf: value, level: leaf.level)
      let bits = Format.bits(Format.attributes(of: value, level: leaf.level), level: leaf.level &- 1)
      let span = Format.span(leaf.level &- 1)
      for index in 0..<Format.span(1) {
        let part = Format.leaf(FrameNumber(frame.rawValue &+ index &* span), bits: bits)
        entry(new, Int(index)).value.store(part, ordering: .relaxed)
      }
      adjust(new, count: Int(Format.span(1)))
      leaf.entry.value.store(Format.table(new), ordering: .releasing)
      count &+= 1
    }
    return count
  }
}
