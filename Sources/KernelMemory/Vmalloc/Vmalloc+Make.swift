internal import CMachine

// Steps 3 and 4 of vmalloc: addresses, frames, tables, entries. What fails undoes what it did.

extension Vmalloc {
  /// A new area, all but published; where the frames are its caller's, with tables alone. At a multiple of
  /// what can be one translation, where that may serve and there is room.
  func make(_ request: Request, _ cpu: borrowing CPU) throws(MemoryError) -> Stable<AreaDescriptor> {
    if let area = makeSmall(request, cpu) { return area }
    let number = try arenas.locked(cpu) { () throws(MemoryError) in
      // Another CPU may have given the range back meanwhile.
      guard let arena = arenas.find(request.area.traits.arena) else { throw .areasUnavailable }
      return try arena.reserve(request.area, cpu)
    }
    do throws(MemoryError) {
      try fill(pool[number], request, cpu)
    } catch {
      arenas.locked(cpu) { quarantine.giveBack(number, cpu) }
      throw error
    }
    return pool[number]
  }

  /// Frames for a new area, and tables for it.
  private func fill(
    _ area: Stable<AreaDescriptor>, _ request: Request, _ cpu: borrowing CPU
  ) throws(MemoryError) {
    let traits = request.area.traits
    if request.kind == .borrowing {
      try pin(area.value.pages, cpu)
      return cacheEntryPointer(area, entries: request.pages)
    }
    var blocks = try frames.allocateBlocks(request.pages, traits.zone, cpu)
    let large = largePart(of: area, traits, blocks)
    do throws(MemoryError) {
      try pin(area.value.pages, large: large, cpu)
    } catch {
      frames.free(&blocks, cpu)
      blocks.end()
      throw error
    }
    let attributes = MappingAttributes(traits.protection, cache: traits.cache)
    let entries = tables.fill(
      area.value.pages, area: area.value.number, attributes, traits.leaves, from: &blocks)
    blocks.end()
    noteWritten(area, entries: UInt64(entries), cpu)
    cacheEntryPointer(area, entries: UInt64(entries))
  }

  /// How many pages from its first on an area can have large leaves for.
  private func largePart(
    of area: Stable<AreaDescriptor>, _ traits: AreaTraits, _ blocks: borrowing BlockList
  ) -> PageCount {
    let order = tables.areaLeafOrder
    guard traits.leaves == .largeWherePossible, PageNumber(area.value.first).isAligned(toOrder: order)
    else { return .zero }
    return PageCount(UInt64(truncatingIfNeeded: blocks.leading(order: order, frames.table) &<< order))
  }

  /// Puts the tables of an area in place and pins them; the first `large` pages are to have large leaves
  /// wherever no table is. Where it fails nothing is changed.
  /// - Throws: `alreadyMapped`, `placeBusy`, `tablesExhausted`.
  func pin(
    _ pages: PageRange, large: PageCount = .zero, guess: Int = 0, _ cpu: borrowing CPU
  ) throws(MemoryError) {
    #if Ablations
    if Ablation.followQuarantined.isOn { _ = try tables.tablesMissing(for: pages, large: large) }
    #endif
    try tables.reserving(guess, from: frames, cpu) { (source) throws(MemoryError) in
      // Entries in quarantine lead to tables that a flush frees: they are followed under the lock alone.
      try tables.locked(cpu) { () throws(MemoryError) in
        let missing = try tables.tablesMissing(for: pages, large: large)
        guard missing <= source.count else { return missing }
        let linked = tables.pin(pages, large: large, eachLeaf: false, from: &source)
        cpu.count(.tablesMade, linked.made)
        if linked.isAny { machine.synchronizeMapping(pages, pageSize, madeTables: true) }
        return 0
      }
    }
  }

  /// Counts entries that were written, and makes them visible to every CPU's walker.
  @inline(__always)
  func noteWritten(_ area: Stable<AreaDescriptor>, entries: UInt64, _ cpu: borrowing CPU) {
    cpu.count(.entriesWritten, Int(truncatingIfNeeded: entries))
    cmachine_step(cmachine_step_entries_written)
    machine.synchronizeMapping(area.value.pages, pageSize)
    #if Ablations
    if Ablation.mapGuard.isOn, let leaf = tables.query(area.value.pages.first) {
      var run = LeafRun(leaf.frame)
      let guardPage = PageRange(unchecked: area.value.pages.end, count: PageCount(1))
      _ = tables.write(guardPage, frame: leaf.frame, leaf.attributes, from: &run)
    }
    #endif
  }

  /// Writes the entries of an area whose frames are its caller's.
  @inline(__always)
  func map(
    _ borrowed: UnsafeBufferPointer<FrameNumber>, to area: Stable<AreaDescriptor>, _ traits: AreaTraits,
    _ cpu: borrowing CPU
  ) {
    let attributes = MappingAttributes(traits.protection, cache: traits.cache)
    let entry = area.value.entryPointer
    if entry != 0 {
      unsafe tables.mapBorrowed(borrowed, at: entry, attributes)
    } else {
      unsafe tables.mapBorrowed(borrowed, from: PageNumber(area.value.first), attributes)
    }
    cpu.count(.entriesWritten, borrowed.count)
    cmachine_step(cmachine_step_entries_written)
    machine.synchronizeMapping(area.value.pages, pageSize)
  }
}

// MARK: - Where entries are

// An area that is not write-back, whose frames must be cleaned when they come back
// (MemoryManager+Contents.swift), has no entry pointer, so that filling and clearing it takes the ways that
// clean, and `pop` and `push` need no test of the type.

extension Vmalloc {
  /// Whether an area is small enough to sleep, and its guard no larger than it may be.
  func isSmall(_ pages: UInt64, _ traits: AreaTraits) -> Bool {
    pages <= AreaCache.largest && pages &+ UInt64(traits.guardPages) <= 2 * AreaCache.largest
  }

  /// Whether a small area's entries may be written and cleared where it remembers them to be.
  func mayCacheEntryPointer(_ pages: UInt64, _ traits: AreaTraits) -> Bool {
    isSmall(pages, traits) && traits.cache == .writeBack
  }

  /// Notes where the entries of an area are, if it may sleep: a small one, or one of large leaves alone. How
  /// many entries it has says that: where a table was in place, a part of it has base leaves.
  private func cacheEntryPointer(_ area: Stable<AreaDescriptor>, entries: UInt64) {
    let (pages, traits) = (area.value.pages, area.value.traits)
    if mayCacheEntryPointer(pages.count.rawValue, traits) {
      area.value.entryPointer = tables.entryPointer(of: pages)
    } else if largeLeaves(pages.count.rawValue) == entries, traits.cache == .writeBack,
      traits.guardPages <= AreaCache.largest
    {
      area.value.entryPointer = tables.largeEntryPointer(of: pages)
    } else {
      area.value.entryPointer = 0
    }
  }

  /// How many large leaves map so many pages, if that is a number for which there are chains of sleeping
  /// areas.
  @inline(__always)
  func largeLeaves(_ pages: UInt64) -> UInt64? {
    let order = UInt64(truncatingIfNeeded: tables.areaLeafOrder)
    let count = pages &>> order
    return count &<< order == pages && count &- 1 < AreaCache.largest ? count : nil
  }
}
