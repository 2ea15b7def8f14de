internal import CMachine

// Areas that are not write-back, whose frames must be cleaned when they come back
// (MemoryManager+Contents.swift). Such an area has no entry pointer, so that filling and clearing it takes
// the slow paths, which clean, and the fast paths need no test of the type.

extension Reclaim {
  /// Notes where a small area's entries are; its tables are pinned.
  func cacheEntryPointer(_ area: UInt32) {
    pool[area].value.entryPointer =
      mayCacheEntryPointer(area) ? tables.entryPointer(of: pool[area].value.pages) : 0
  }

  /// Notes where the entries of an area are that has large leaves alone, if it may sleep.
  func cacheLargeEntryPointer(_ area: UInt32) {
    let descriptor = pool[area]
    guard largeLeaves(descriptor.value.pageCount) != nil, descriptor.value.traits.cache == .writeBack,
      descriptor.value.traits.guardPages <= AreaCache.largest
    else { return }
    descriptor.value.entryPointer = tables.largeEntryPointer(of: descriptor.value.pages)
  }

  /// How many large leaves map so many pages, if that is a number for which there are chains of sleeping
  /// areas.
  @inline(__always)
  func largeLeaves(_ pages: UInt64) -> UInt64? {
    let order = UInt64(truncatingIfNeeded: tables.areaLeafOrder)
    let count = pages &>> order
    return count &<< order == pages && count &- 1 < AreaCache.largest ? count : nil
  }

  /// Whether its entries may be written and cleared the short way. Not where frames are to be cleaned as they
  /// come and go, which is left to the slow paths.
  func mayCacheEntryPointer(_ area: UInt32) -> Bool {
    isSmall(pool[area]) && pool[area].value.traits.cache == .writeBack
  }

  /// Has caches forget frames that were mapped with another type than write-back.
  func clean(_ blocks: borrowing BlockList) {
    let machine = shootdown.machine
    guard let clean = unsafe machine.value.cleanMemory else { return }
    blocks.forEach(frames.table) { block, order in
      let start = UInt(frames.table.address(of: FrameNumber(UInt64(block))).rawValue)
      let bytes = UInt(frames.table.pageSize.bytes) &<< UInt(truncatingIfNeeded: order)
      unsafe clean(machine.value.context, cmachine_range(start: start, end: start &+ bytes))
    }
  }
}
