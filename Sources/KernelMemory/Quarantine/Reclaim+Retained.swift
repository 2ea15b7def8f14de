extension Reclaim {
  /// What this CPU keeps. O(CPUs + areas that are queued).
  func retained(_ cpu: borrowing CPU) -> RetainedMemory {
    let (slot, open, closed) = (slot(cpu), openBatch(cpu), closedBatch(cpu))
    let flushed = flushedBatch(cpu)
    let isFlushed = slot.value.awaited == 0 || shootdown.isComplete(slot.value.awaited)
    let closedPages = isFlushed ? 0 : slot.value.awaitedPages
    var frames = UInt64(
      open.value.frameCount &+ closed.value.frameCount &+ flushed.value.frameCount)
    frames &+= slot.value.owning.asleep.pages
    frames &+= slot.value.large.asleep.pages &<< UInt64(truncatingIfNeeded: tables.areaLeafOrder)
    slot.value.queued.forEach(pool) { area in
      frames &+= pool[area].value.pageCount &- min(pool[area].value.progress, pool[area].value.pageCount)
    }
    return RetainedMemory(
      unflushed: PageCount(open.value.pages &+ slot.value.queuedPages &+ closedPages),
      frames: PageCount(frames), parked: PageCount(slot.value.warm.pages))
  }

  /// The frames in all batches, for a check while nothing runs.
  var retiredFrames: Int {
    var count = 0
    for cpu in 0..<frames.cpus.count {
      let perCPU = frames.cpus.perCPU(cpu)
      count &+= perCPU.records(Self.open).value.frames.count
      count &+= perCPU.records(Self.closed).value.frames.count
      count &+= perCPU.records(Self.flushed).value.frames.count
    }
    return count
  }
}
