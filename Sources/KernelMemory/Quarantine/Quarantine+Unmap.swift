internal import CMachine

// Unmapping by hand: mappings of frames that are their callers'. No batch has a part in it, since nothing is
// freed but tables; but nobody may map the pages before their flush, so the leaves are quarantined until
// then.

extension Quarantine {
  /// An unmap whose flush is waited for.
  struct Unmap {
    let request: UInt64
    /// Its place among those under way.
    let slot: Int
  }

  /// Quarantines the leaves of a mapping of borrowed frames, under the lock of the tables.
  /// - Returns: its place among the unmaps under way; nil, with nothing done, where another must end first.
  func quarantineLeaves(_ pages: PageRange, _ cpu: borrowing CPU) -> Int? {
    guard let slot = tables.shared.value.unmaps.begin(pages) else { return nil }
    cpu.count(.entriesCleared, tables.quarantine(pages))
    return slot
  }

  /// Asks for their flush.
  /// - Parameters:
  ///   - pages: what was quarantined.
  ///   - slot: its place among those under way.
  ///   - hasSplit: whether a large leaf has become a table for that.
  ///   - cpu: this CPU.
  /// - Returns: what `endUnmap` wants when the request is complete.
  func beginUnmap(_ pages: PageRange, at slot: Int, hasSplit: Bool, _ cpu: borrowing CPU) -> Unmap {
    cmachine_step(cmachine_step_entries_cleared)
    var ranges = FlushRanges()
    ranges.add(pages, frames.table.pageSize, threshold: shootdown.threshold)
    if hasSplit && shootdown.rangesSpareTables { ranges.addEverything() }
    return Unmap(request: shootdown.request(ranges, cpu), slot: slot)
  }

  /// Ends it, after the flush: clears the leaves, and quarantines the tables that this empties.
  func endUnmap(_ pages: PageRange, _ unmap: Unmap, _ cpu: borrowing CPU) {
    tables.locked(cpu) {
      tables.clearQuarantined(pages, emptied: &cpu.perCPU.quarantine.value.emptied)
      tables.shared.value.unmaps.end(unmap.slot)
    }
    detachEmptyTables(limit: .max, cpu)
  }
}
