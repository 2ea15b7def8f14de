internal import CMachine

// Areas of other types than write-back, whose frames caches must forget when they come back
// (MemoryManager+Contents.swift). Such an area never remembers where its entries are: so each hand-out of it with new
// frames, and each clearing of its entries, takes the longer way, and the short ones have nothing to look at.

extension Reclaim {
  /// Notes where a small area's entries are; its tables are pinned.
  func rememberFirstEntry(_ area: UInt32) {
    pool[area].value.firstEntry = canRememberEntry(area) ? tables.firstEntry(of: pool[area].value.pages) : 0
  }

  /// Whether its entries may be written and cleared the short way. Not where frames are to be cleaned as they come and go,
  /// which is left to the longer ways.
  func canRememberEntry(_ area: UInt32) -> Bool {
    canBeKept(area) && pool[area].value.traits.cache == .writeBack
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
