internal import CMachine

// Steps 3 and 4 of vmalloc: addresses, frames, tables, entries. What fails undoes what it did.

extension MemoryManager {
  /// A new area, all but published.
  func reserve(_ request: Arena.Request, _ cpu: borrowing CPU) throws(MemoryError) -> UInt32 {
    let area = try arenas.locked(cpu) { () throws(MemoryError) in try reserveAddresses(request, cpu) }
    do throws(MemoryError) {
      try fill(area, request, cpu)
    } catch {
      arenas.locked(cpu) { reclaim.giveBack(area, cpu) }
      throw error
    }
    return area
  }

  /// Step 3: at a multiple of a large leaf, where that may serve and there is room.
  private func reserveAddresses(
    _ request: Arena.Request, _ cpu: borrowing CPU
  ) throws(MemoryError) -> UInt32 {
    // Another CPU may have given the range back meanwhile.
    guard let arena = arenas.find(request.traits.arena) else { throw .areasUnavailable }
    let order = tables.areaLeafOrder
    guard request.traits.leaves == .largeWherePossible, request.traits.alignment < order,
      request.place == nil, request.pages.rawValue >= 1 &<< UInt64(truncatingIfNeeded: order)
    else { return try arena.reserve(request, cpu) }
    var aligned = request
    aligned.traits.alignment = order
    do throws(MemoryError) {
      return try arena.reserve(aligned, cpu)
    } catch {
      guard case .rangeExhausted = error else { throw error }
      return try arena.reserve(request, cpu)
    }
  }

  /// Frames for a new area, and tables for it.
  private func fill(_ area: UInt32, _ request: Arena.Request, _ cpu: borrowing CPU) throws(MemoryError) {
    if fillSmall(area, request, cpu) { return }
    var blocks = try frames.allocateBlocks(request.pages.rawValue, request.traits.zone, cpu)
    let large = largePart(of: area, request, blocks)
    do throws(MemoryError) {
      try pin(arenas.pool[area].value.pages, large: large, cpu)
    } catch {
      frames.free(&blocks, cpu)
      blocks.end()
      throw error
    }
    reclaim.cacheEntryPointer(area)
    map(area, request, from: &blocks, cpu)
    blocks.end()
    if large == request.pages { reclaim.cacheLargeEntryPointer(area) }
  }

  /// One block of this CPU's list, in a table that is there: what a small area mostly takes.
  /// - Returns: false, with nothing done, where it takes more.
  private func fillSmall(_ area: UInt32, _ request: Arena.Request, _ cpu: borrowing CPU) -> Bool {
    let count = request.pages.rawValue
    let order = count.trailingZeroBitCount
    guard count == 1 &<< UInt64(truncatingIfNeeded: order), reclaim.mayCacheEntryPointer(area),
      frames.hasListed(order: order, request.traits.zone, cpu)
    else { return false }
    let entry = tables.locked(cpu) { tables.pinAndFindEntry(of: arenas.pool[area].value.pages) }
    guard entry != 0, let block = frames.takeListed(order: order, request.traits.zone, cpu) else {
      return false
    }
    arenas.pool[area].value.entryPointer = entry
    let attributes = MappingAttributes(request.traits.protection, cache: request.traits.cache)
    tables.fill(at: entry, block, order: order, area: area, attributes)
    noteFilled(area, request, entries: Int(truncatingIfNeeded: count), cpu)
    return true
  }

  /// How many pages from its first on an area can have large leaves for.
  private func largePart(
    of area: UInt32, _ request: Arena.Request, _ blocks: borrowing BlockList
  ) -> PageCount {
    let order = tables.areaLeafOrder
    guard request.traits.leaves == .largeWherePossible,
      PageNumber(arenas.pool[area].value.first).isAligned(toOrder: order)
    else { return .zero }
    return PageCount(UInt64(truncatingIfNeeded: blocks.leading(order: order, frames.table) &<< order))
  }

  /// Step 4's end, which cannot fail.
  @inline(__always)
  private func map(
    _ area: UInt32, _ request: Arena.Request, from blocks: inout some BlockSource & ~Copyable,
    _ cpu: borrowing CPU
  ) {
    let attributes = MappingAttributes(request.traits.protection, cache: request.traits.cache)
    let pages = PageRange(unchecked: PageNumber(arenas.pool[area].value.first), count: request.pages)
    noteFilled(area, request, entries: tables.fill(pages, area: area, attributes, from: &blocks), cpu)
  }

  @inline(__always)
  func noteFilled(
    _ area: UInt32, _ request: Arena.Request, entries: Int, _ cpu: borrowing CPU
  ) {
    cpu.count(.entriesWritten, entries)
    cmachine_step(cmachine_step_entries_written)
    synchronizeMapping(arenas.pool[area].value.pages)
    #if Ablations
    let pages = arenas.pool[area].value.pages
    let attributes = MappingAttributes(request.traits.protection, cache: request.traits.cache)
    if Ablation.mapGuard.isOn, let leaf = tables.query(pages.first) {
      var run = LeafRun(leaf.frame)
      let guardPage = PageRange(unchecked: pages.end, count: PageCount(1))
      _ = tables.write(guardPage, frame: leaf.frame, attributes, from: &run)
    }
    #endif
  }
}
