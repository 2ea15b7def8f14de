internal import CMachine

extension Reclaim {
  /// Retires an area whose frames belong to the caller: only its range goes into the batch. Of several
  /// callers, one succeeds. Clears every entry: O(pages), a store each.
  /// - Parameters:
  ///   - area: its descriptor.
  ///   - generation: the generation of the descriptor when the caller looked at it.
  ///   - cpu: this CPU.
  /// - Returns: false where the area is not one of borrowed frames.
  @inline(__always)
  func retireBorrowed(_ area: Stable<AreaDescriptor>, in generation: UInt64, _ cpu: borrowing CPU) -> Bool {
    guard area.value.move(from: .borrowing, to: .retired, in: generation) else { return false }
    let slot = slot(cpu)
    let pages = area.value.pages
    let held = openBatch(cpu).value.pages &+ slot.value.queuedPages &+ area.value.span
    if !isWithinBound(held, cpu) { seal(cpu) }
    let entry = area.value.entryPointer
    if entry != 0 {
      tables.unmapBorrowed(pages.count.rawValue, at: entry)
    } else {
      tables.unmapBorrowed(pages)
    }
    let count = pages.count.rawValue
    if count <= slot.value.borrowing.asleep.room, openBatch(cpu).value.ranges.isEverything, isSmall(area),
      slot.value.borrowing.open.has(count)
    {
      pushSuspended(area, count, among: &slot.value.borrowing, cpu)
    } else {
      retireBorrowedAddresses(area, cpu)
    }
    return true
  }

  @inline(never)
  private func retireBorrowedAddresses(_ area: Stable<AreaDescriptor>, _ cpu: borrowing CPU) {
    let slot = slot(cpu)
    if canSleep(area, among: &slot.value.borrowing) {
      return pushSuspendedSlow(area, area.value.pageCount, among: &slot.value.borrowing, cpu)
    }
    cmachine_step(cmachine_step_entries_cleared)
    cpu.count(.entriesCleared, Int(truncatingIfNeeded: area.value.pageCount))
    cover(area.value.pages, cpu)
    unpin(area.value.number, cpu)
    retireAddresses(area.value.number, cpu)
  }
}
