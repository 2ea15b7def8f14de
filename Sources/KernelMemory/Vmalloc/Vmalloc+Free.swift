internal import CMachine
internal import Synchronization

// What `push` leaves to do: finding what is wrong with a free, large areas, the first of a batch, and what an
// NMI has dropped.

extension Vmalloc {
  /// An area that somebody has, as it was a moment ago.
  struct Found {
    let area: Stable<AreaDescriptor>
    let generation: UInt64
  }

  /// The area with `address` as its first byte that was in a state a moment ago: `live` or `borrowing`. On a
  /// CPU that serves no flush meanwhile.
  @inline(__always)
  func find(_ address: VirtualAddress, _ state: AreaState) -> Found? {
    let page = address.number(pageSize)
    guard let number = arenas.arena(containing: page)?.index.area(at: page.rawValue), number != 0 else {
      return nil
    }
    return check(pool[number], address, state)
  }

  /// An area, if it is in a state and its first byte is at `address`.
  @inline(__always)
  func check(_ area: Stable<AreaDescriptor>, _ address: VirtualAddress, _ state: AreaState) -> Found? {
    guard let generation = area.value.generation(in: state),
      PageNumber(area.value.first).address(pageSize) == address
    else { return nil }
    cmachine_step(cmachine_step_area_found)
    return Found(area: area, generation: generation)
  }

  /// Frees the area at an address that is `live`, or one that is `borrowing`.
  /// - Parameter generation: the one that it must have, or `anyGeneration`.
  /// - Throws: `badFree`, with nothing changed.
  func free(
    _ address: VirtualAddress, _ state: AreaState, in generation: UInt64, _ cpu: borrowing CPU
  ) throws(MemoryError) {
    guard let found = find(address, state) else { throw .badFree(problem(freeing: address, state)) }
    guard generation == found.generation || generation == Self.anyGeneration else {
      throw .badFree(.alreadyFree)
    }
    let (tag, pages) = (found.area.value.traits.tag, found.area.value.pageCount)
    let fits = state == .live && pages &- 1 < AreaCache.largest && pages <= cpu.perCPU.warm.value.room
    guard retire(found, pages, from: state, to: fits ? .warm : .quarantined, cpu) else {
      throw .badFree(.alreadyFree)
    }
    tags.discharge(.areas, tag, state == .live ? bytes(pages) : 0, cpu)
  }

  /// What is wrong with an address that is not the first byte of an area in a state.
  @inline(never)
  func problem(freeing address: VirtualAddress, _ state: AreaState = .live) -> BadFree {
    let page = address.number(pageSize)
    guard let arena = arenas.arena(containing: page) else { return .foreign }
    guard let number = arena.find(page) else { return .alreadyFree }
    let area = pool[number]
    if area.value.generation(in: state == .live ? .borrowing : .live) != nil { return .foreign }
    guard area.value.generation(in: state) != nil else { return .alreadyFree }
    if !area.value.pages.contains(page) { return .guardPage }
    guard page.rawValue == area.value.first else { return .interior }
    // First byte and aligned: another CPU is freeing it right now.
    return address.isAligned(to: pageSize) ? .alreadyFree : .unaligned
  }
}

// MARK: - On the way back

extension Vmalloc {
  /// Puts an area whose allocation has ended on its way back: asleep, where it may; else it is cleared, or
  /// queued to be.
  @inline(never)
  func suspendOrClear(_ area: Stable<AreaDescriptor>, isBorrowing: Bool, _ cpu: borrowing CPU) {
    quarantine.sealIfOverBound(with: area.value.span, cpu)
    if isBorrowing { return unmapBorrowing(area, cpu) }
    if mode != .strict && sleep(area, cpu) { return }
    let pages = area.value.pageCount
    area.value.progress = 0
    if mode == .strict {
      clear(area, cpu)
    } else if pages > Self.largestCleared || !clear(area, limit: Self.clearedByFree, cpu).isDone {
      queue(area, cpu)
    }
  }

  /// A free of more pages than this leaves the clearing to a purge step.
  private static var largestCleared: UInt64 { 64 }
  /// So does one of more work than this, as of 64 pages that are no neighbours in memory: 12 blocks take some
  /// 500 instructions.
  private static var clearedByFree: Int { 12 }

  /// Makes the entries of an area absent, where it may sleep.
  /// - Returns: false, with nothing done, where it may not.
  func sleep(_ area: Stable<AreaDescriptor>, _ cpu: borrowing CPU) -> Bool {
    let pages = area.value.pageCount
    if isSmall(pages, area.value.traits) { return suspend(area, pages, .owning, cpu) }
    guard let leaves = largeLeaves(pages), area.value.entryPointer != 0 else { return false }
    return suspend(area, leaves, .large, cpu)
  }

  /// - Returns: false, with nothing done, where that kind has no room for it.
  private func suspend(
    _ area: Stable<AreaDescriptor>, _ entries: UInt64, _ kind: AreaKind, _ cpu: borrowing CPU
  ) -> Bool {
    guard entries <= cpu.perCPU.asleep(kind).value.room else { return false }
    switch kind {
    case .owning: tables.suspend(area.value.pages)
    case .large: tables.suspend(entries, at: area.value.entryPointer)
    case .borrowing: tables.unmapBorrowed(area.value.pages)
    }
    cpu.perCPU.asleep(kind).value.reserve(entries)
    quarantine.pushCovering(area, entries, kind, cpu)
    return true
  }

  /// Clears every entry of an area whose frames are its caller's: O(pages), a store each. Its addresses and
  /// tables may sleep.
  private func unmapBorrowing(_ area: Stable<AreaDescriptor>, _ cpu: borrowing CPU) {
    let (pages, count) = (area.value.pages, area.value.pageCount)
    if isSmall(count, area.value.traits), suspend(area, count, .borrowing, cpu) { return }
    tables.unmapBorrowed(pages)
    cmachine_step(cmachine_step_entries_cleared)
    cpu.count(.entriesCleared, Int(truncatingIfNeeded: count))
    quarantine.cover(pages, cpu)
    quarantine.unpin(pages, of: area, isAll: true, cpu)
    quarantine.retireAddresses(area, cpu)
  }

  /// Leaves the clearing of an area to purge steps.
  func queue(_ area: Stable<AreaDescriptor>, _ cpu: borrowing CPU) {
    cpu.perCPU.vmalloc.value.queued.push(area.value.number, pool)
    quarantine.countQueued(area.value.span, cpu)
  }
}

// MARK: - What an NMI drops

// A `deinit` cannot throw. Where an NMI that has interrupted this package drops a `VirtualBuffer`, nothing
// but single words may be changed: so its area goes on a stack, by one compare-and-swap, and the next purge
// frees it. The link is the descriptor's own, which a live area does not use; the stack is only ever taken as
// a whole, so an area that comes back to the top cannot be mistaken for the one that was read.

extension Vmalloc {
  /// Takes a live area back from its caller, and leaves all else for later. Of several that try, one
  /// succeeds. O(1).
  /// - Returns: false where the area is not live in that generation.
  func drop(_ area: Stable<AreaDescriptor>, in generation: UInt64) -> Bool {
    guard area.value.move(from: .live, to: .dropped, in: generation) else { return false }
    var top = state.value.dropped.load(ordering: .relaxed)
    while true {
      area.value.next = top
      let result = updating(.shared) {
        state.value.dropped.compareExchange(
          expected: top, desired: area.value.number, successOrdering: .releasing, failureOrdering: .relaxed)
      }
      if result.exchanged { return true }
      top = result.original
    }
  }

  /// Frees what NMIs have dropped. O(those).
  func freeDropped(_ cpu: borrowing CPU) {
    guard state.value.dropped.load(ordering: .relaxed) != 0 else { return }
    var next = updating(.shared) { state.value.dropped.exchange(0, ordering: .acquiring) }
    while next != 0 {
      let area = pool[next]
      next = area.value.next
      let (pages, tag) = (area.value.pageCount, area.value.traits.tag)
      let found = Found(area: area, generation: area.value.generation)
      guard retire(found, pages, from: .dropped, to: .quarantined, cpu) else { continue }
      tags.discharge(.areas, tag, bytes(pages), cpu)
    }
  }
}
