internal import CMachine

// Clearing an area step by step: its entries, and then its hold on the tables.

extension Reclaim {
  /// Clears the next pages of a retired area, and then lets go of its tables; the last step puts it into the
  /// open batch.
  /// - Parameters:
  ///   - area: the number of its descriptor.
  ///   - limit: of work, as `Walker.detach` counts it.
  ///   - cpu: this CPU.
  /// - Returns: how much work that was, and whether it was the last step.
  @discardableResult
  @inline(never)
  func clear(
    _ area: UInt32, limit: Int = .max, _ cpu: borrowing CPU
  ) -> (work: Int, isDone: Bool) {
    let descriptor = pool[area]
    let done = descriptor.value.progress
    let total = descriptor.value.pageCount
    var work = 0
    if done < total {
      let pages = PageRange(
        unchecked: PageNumber(descriptor.value.first &+ done), count: PageCount(total &- done))
      let isCached = descriptor.value.traits.cache == .writeBack
      // To clean a page is as much work as a page of a purge step, and `detach` counts 32 pages as one.
      let detached = tables.detach(pages, limit: isCached ? limit : max(limit / 32, 1))
      cmachine_step(cmachine_step_entries_cleared)
      cpu.count(.entriesCleared, detached.entries)
      if !isCached { clean(detached.frames) }
      let count = detached.pages
      work = isCached ? detached.work : detached.work &+ Int(truncatingIfNeeded: count)
      add(detached, PageRange(unchecked: pages.first, count: PageCount(count)), cpu)
      descriptor.value.progress = done &+ count
      guard done &+ count == total else { return (work, false) }
    }
    work &+= unpinStep(area, limit: limit &- work, cpu)
    guard descriptor.value.state == .unpinned else { return (work, false) }
    retireAddresses(area, cpu)
    return (work, true)
  }

  /// Lets go of the tables of an area that is cleared: `progress` counts on over its pages. Of the last of
  /// them the state says that none is left.
  /// - Returns: how much work that was.
  private func unpinStep(_ area: UInt32, limit: Int, _ cpu: borrowing CPU) -> Int {
    let descriptor = pool[area]
    let total = descriptor.value.pageCount
    let span = UInt64(1) &<< UInt64(truncatingIfNeeded: tables.areaLeafOrder)
    let steps = UInt64(truncatingIfNeeded: Self.share(of: limit, Self.unpinCost))
    let first = descriptor.value.first &+ (descriptor.value.progress &- total)
    let end = descriptor.value.first &+ total
    // Whole tables, so that each is let go of once.
    let next = steps > total ? end : min(end, first & ~(span &- 1) &+ steps &* span)
    guard next > first else { return 0 }
    let pages = PageRange(unchecked: PageNumber(first), count: PageCount(next &- first))
    tables.locked(cpu) {
      tables.unpin(pages, emptied: &slot(cpu).value.emptied)
      descriptor.value.progress = total &+ (next &- descriptor.value.first)
      if next == end { descriptor.value.setState(.unpinned) }
    }
    return Self.unpinCost &* (1 &+ Int(truncatingIfNeeded: (next &- first) / span))
  }
}
