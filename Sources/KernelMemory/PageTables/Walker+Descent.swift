internal import CMachine
internal import Synchronization

// The way from the root to a page's entry.

extension PageTables {
  @inline(__always)
  func index(of page: PageNumber, level: Int) -> Int {
    format.index(of: page, level: level)
  }

  @inline(__always)
  func entry(_ frame: FrameNumber, _ index: Int) -> Entry {
    Stable(at: table.address(of: frame, format.pageSize))[index]
  }

  /// The table of the highest level that every mode has, on the way to `page`; where it does not exist, the
  /// lowest above it that does. What lies above it has no leaves.
  @inline(__always)
  func walkStart(for page: PageNumber) -> (table: FrameNumber, level: Int) {
    var frame = root
    var at = format.levels &- 1
    while at >= format.leastLevels {
      let value = entry(frame, index(of: page, level: at)).value.load(ordering: .relaxed)
      guard format.isPresent(value) else { return (frame, at) }
      frame = format.nextTable(value)
      at &-= 1
    }
    return (frame, at)
  }

  /// The lowest existing table on the way to `page`, at or above `level`, which may have leaves.
  @inline(__always)
  func descend(to level: Int, for page: PageNumber) -> (table: FrameNumber, level: Int) {
    var (frame, start) = walkStart(for: page)
    guard start < format.leastLevels else { return (frame, start) }
    var at = format.leastLevels &- 1
    while at > level {
      let value = entry(frame, index(of: page, level: at)).value.load(ordering: .relaxed)
      guard format.isPresent(value), !format.isLeaf(value, level: at) else { break }
      frame = format.nextTable(value)
      at &-= 1
    }
    return (frame, at)
  }

  /// The entry for `page` in the lowest table on the way to it, and that table's level.
  @inline(__always)
  func lowestEntry(of page: PageNumber) -> (entry: Entry, level: Int) {
    let (top, reached) = walkStart(for: page)
    guard reached < format.leastLevels else { return (entry(top, index(of: page, level: reached)), reached) }
    var start = table.address(of: top, format.pageSize)
    var at = format.leastLevels &- 1
    while true {
      let entry = Entry(at: start)[index(of: page, level: at)]
      guard at > 0 else { return (entry, 0) }
      let value = entry.value.load(ordering: .relaxed)
      guard format.isPresent(value), !format.isLeaf(value, level: at) else { return (entry, at) }
      start = table.address(of: format.nextTableAddress(value))
      at &-= 1
    }
  }

  /// Descends through quarantined tables, too. Under the tables' lock.
  func reach(to level: Int, for page: PageNumber) -> (table: FrameNumber, level: Int) {
    var (frame, at) = descend(to: level, for: page)
    while at > level {
      let value = entry(frame, index(of: page, level: at)).value.load(ordering: .relaxed)
      guard let next = format.quarantinedTable(value, level: at) else { break }
      #if Ablations
      if Ablation.followQuarantined.isOn { cmachine_step(cmachine_step_entry_found) }
      #endif
      frame = next
      at &-= 1
    }
    return (frame, at)
  }

  /// The entries from `page` to the end of its table of `level`.
  @inline(__always)
  func entriesToTableEnd(_ page: PageNumber, level: Int) -> UInt64 {
    format.entryCount(level) &- UInt64(truncatingIfNeeded: index(of: page, level: level))
  }
}
