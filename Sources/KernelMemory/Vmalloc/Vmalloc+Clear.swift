internal import CMachine

// Clearing an area step by step: its entries, and then its hold on the tables.

extension Vmalloc {
  /// Clears the next pages of a retired area, and then lets go of its tables; after the last step Quarantine
  /// has all of it.
  /// - Parameters:
  ///   - area: its descriptor.
  ///   - limit: of work, in the units of `Detached.work`.
  ///   - cpu: this CPU.
  /// - Returns: how much work that was, and whether it was the last step.
  @discardableResult
  @inline(never)
  func clear(
    _ area: Stable<AreaDescriptor>, limit: Int = .max, _ cpu: borrowing CPU
  ) -> (work: Int, isDone: Bool) {
    let total = area.value.pageCount
    var work = 0
    if area.value.progress < total {
      work = clearEntries(area, limit: limit, cpu)
      guard area.value.progress == total else { return (work, false) }
    }
    work &+= unpinStep(area, limit: limit &- work, cpu)
    guard area.value.state == .unpinned else { return (work, false) }
    quarantine.retireAddresses(area, cpu)
    return (work, true)
  }

  private func clearEntries(_ area: Stable<AreaDescriptor>, limit: Int, _ cpu: borrowing CPU) -> Int {
    let done = area.value.progress
    let pages = PageRange(
      unchecked: PageNumber(area.value.first &+ done), count: PageCount(area.value.pageCount &- done))
    let detached = detach(pages, of: area, limit: limit)
    cmachine_step(cmachine_step_entries_cleared)
    cpu.count(.entriesCleared, detached.entries)
    let (count, work) = (detached.pages, detached.work)
    quarantine.add(detached, PageRange(unchecked: pages.first, count: PageCount(count)), cpu)
    area.value.progress = done &+ count
    return work
  }

  /// Lets go of the tables of an area that is cleared: `progress` counts on over its pages. Of the last of
  /// them the state says that none is left.
  /// - Returns: how much work that was.
  private func unpinStep(_ area: Stable<AreaDescriptor>, limit: Int, _ cpu: borrowing CPU) -> Int {
    let total = area.value.pageCount
    let span = UInt64(1) &<< UInt64(truncatingIfNeeded: tables.areaLeafOrder)
    let steps = UInt64(truncatingIfNeeded: Work.share(of: limit, Work.unpin))
    let first = area.value.first &+ (area.value.progress &- total)
    let end = area.value.first &+ total
    // Whole tables, so that each is let go of once.
    let next = steps > total ? end : min(end, first & ~(span &- 1) &+ steps &* span)
    guard next > first else { return 0 }
    let pages = PageRange(unchecked: PageNumber(first), count: PageCount(next &- first))
    quarantine.unpin(pages, of: area, progress: total &+ (next &- area.value.first), isAll: next == end, cpu)
    return Work.unpin &* (1 &+ Int(truncatingIfNeeded: (next &- first) / span))
  }

  /// Takes pages out of the tables, and has caches forget their frames where they were mapped with another
  /// type than write-back: to clean a page is as much work as a page of a purge step, and the tables count 32
  /// pages as one.
  @inline(__always)
  func detach(
    _ pages: PageRange, of area: Stable<AreaDescriptor>, at entryPointer: UInt = 0, limit: Int = .max
  ) -> Detached {
    guard area.value.traits.cache != .writeBack else {
      return tables.detach(pages, at: entryPointer, limit: limit)
    }
    var detached = tables.detach(pages, limit: max(limit / 32, 1))
    clean(detached.frames)
    detached.work &+= Int(truncatingIfNeeded: detached.pages)
    return detached
  }

  /// Has caches forget frames that were mapped with another type than write-back.
  private func clean(_ blocks: borrowing BlockList) {
    guard let clean = unsafe machine.value.cleanMemory else { return }
    blocks.forEach(frames.table) { block, order in
      let start = UInt(frames.table.address(of: FrameNumber(UInt64(block))).rawValue)
      let bytes = UInt(pageSize.bytes) &<< UInt(truncatingIfNeeded: order)
      unsafe clean(machine.value.context, cmachine_range(start: start, end: start &+ bytes))
    }
  }
}
