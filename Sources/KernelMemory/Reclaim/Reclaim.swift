internal import CMachine
internal import Synchronization

// Reclaim: what is on its way back
//
// A freed area passes these stages; in strict mode all of them at once, else as bounds and budgets say:
//
//     parked    still mapped, in this CPU's warm cache; a request of the same kind takes it out again
//     queued    large: its entries are still there, and a purge step clears them by budget
//     open      its entries are cleared; its frames and its addresses are in this CPU's open batch, where the frames
//               of emptied slabs wait, too
//     closed    the batch's flush has been requested: nothing is added to it any more
//     flushed   every CPU has flushed: the batch as a whole is part of this CPU's flushed one, out of which small
//               areas and their frames are handed out again
//     free      the rest is completed, bit by bit: frames, tables, addresses; of a small area the addresses
//               and pinned tables stay for a while, in the cool cache
//
// The order is a matter of types. What the page tables give up goes into a `RetiredBatch`. A `FlushedBatch`
// takes one in for a `FlushToken`, and only the shootdown makes that, for a request that every CPU has
// served. The token carries the number of its request: it serves for a batch only if the request was made
// after the batch was last added to.
//
// Nothing here waits. What waits for other CPUs is the façade.

@safe
struct Reclaim {
  /// Pages that a purge step works on at the most, unless it is told otherwise.
  static let budget = 96
  /// Pages that an allocation works on at a time which finds this CPU over its bound.
  static let relief = 32
  /// In pages, what it costs to free a frame that has no neighbour with it.
  static let frameCost = 2
  /// In pages, what it costs to put a table to rest, and to free it.
  static let tableCost = 8
  /// In pages, what it costs to let go of an area's tables.
  static let unpinCost = 2
  /// In pages, what it costs to give an area's addresses back: most of it once, the slots of the index by a
  /// few instructions each.
  static func releaseCost(_ span: UInt64) -> Int { 12 &+ Int(truncatingIfNeeded: min(span, 4096) / 32) }
  /// How many things of some cost there is work left for; one where any is left.
  static func share(of left: Int, _ cost: Int) -> Int { left > 0 ? max(1, left / cost) : 0 }
  /// A free of more pages than this leaves the clearing to a purge step.
  static let largestCleared: UInt64 = 64
  /// So does one of more work than this, as of 64 pages that are no neighbours in memory: 12 blocks take some
  /// 500 instructions.
  static let clearedByFree = 12
  /// How much of what is flushed one call completes on its way, when it needs what is in it: 12 frames, or 12
  /// areas, take some 500 instructions.
  static let share = 12
  /// Pages that one CPU's warm cache keeps: 1 MiB.
  static let warmCapacity: UInt64 = 256

  struct State: ~Copyable {
    let mode: FreeMode
    let frames: Frames
    let tables: PageTables
    let areas: AreasTable
    let pool: DescriptorPool
    let shootdown: Shootdown
    /// For each CPU.
    let slots: Stable<Slot>
    let open: Stable<RetiredBatch>
    let closed: Stable<RetiredBatch>
    let flushed: Stable<FlushedBatch>
    /// Pages, guards included, that all CPUs together may have freed and not flushed.
    let bound: UInt64
    /// What of it each CPU has for good.
    let share: UInt64
    /// What of it no CPU has.
    let spare: Atomic<UInt64>
    /// The newest drain: every CPU is asked to give back what it keeps.
    let round = Atomic<UInt64>(0)
    /// The number of the area that an NMI has dropped last; zero for none.
    let dropped = Atomic<UInt32>(0)
  }

  /// What one CPU has, besides its batches; in cleared memory, where all of it is empty.
  struct Slot: ~Copyable {
    /// The request that the closed batch waits for; zero where there is no closed batch.
    var awaited: UInt64
    /// The closed batch's pages.
    var awaitedPages: UInt64
    var queued: AreaList
    /// Pages of the queued areas, guards included.
    var queuedPages: UInt64
    /// Pages, guards included, that this CPU may have freed and not flushed.
    var limit: UInt64
    var emptied: EmptiedTables
    var warm: AreaCache
    var cool: AreaCache

    mutating func begin(mode: FreeMode, limit: UInt64, cool capacity: UInt64) {
      self.limit = limit
      warm.begin(capacity: mode == .warm ? warmCapacity : 0)
      cool.begin(capacity: capacity)
    }
  }

  let state: Stable<State>

  /// The bound is Linux's for freed pages that are not flushed, 8,192 times the bit length of the number of CPUs.
  /// One CPU has all of it; of several each has its part of one half, and takes from the other half when it needs
  /// more, so that with many CPUs none has too little for one large area.
  init(
    mode: FreeMode, frames: Frames, tables: PageTables, areas: AreasTable, shootdown: Shootdown,
    state: Stable<State>, slots: Stable<Slot>, open: Stable<RetiredBatch>, closed: Stable<RetiredBatch>,
    flushed: Stable<FlushedBatch>
  ) {
    self.state = state
    let count = frames.cpus.count
    let bits = UInt64(Int.bitWidth - count.leadingZeroBitCount)
    let bound = 8_192 &* bits
    let share = count == 1 ? bound : bound / UInt64(2 &* count)
    unsafe state.pointer.initialize(
      to: State(
        mode: mode, frames: frames, tables: tables, areas: areas, pool: areas.pool, shootdown: shootdown,
        slots: slots, open: open, closed: closed, flushed: flushed, bound: bound, share: share,
        spare: Atomic(bound &- share &* UInt64(count))))
    for cpu in 0..<count {
      slots[cpu].value.begin(mode: mode, limit: share, cool: bound / UInt64(count))
      frames.cpus.rooms(cpu).value.reclaim = slots[cpu]
      frames.cpus.rooms(cpu).value.open = open[cpu]
      frames.cpus.rooms(cpu).value.flushed = flushed[cpu]
      unsafe open[cpu].pointer.initialize(to: RetiredBatch())
      unsafe closed[cpu].pointer.initialize(to: RetiredBatch())
      unsafe flushed[cpu].pointer.initialize(to: FlushedBatch())
    }
  }

  var mode: FreeMode { state.value.mode }
  var frames: Frames { state.value.frames }
  var tables: PageTables { state.value.tables }
  var areas: AreasTable { state.value.areas }
  var pool: DescriptorPool { state.value.pool }
  var shootdown: Shootdown { state.value.shootdown }

  func openBatch(_ cpu: borrowing CPU) -> Stable<RetiredBatch> { cpu.rooms.value.open }
  func flushedBatch(_ cpu: borrowing CPU) -> Stable<FlushedBatch> { cpu.rooms.value.flushed }
  func slot(_ cpu: borrowing CPU) -> Stable<Slot> { cpu.rooms.value.reclaim }
}

// MARK: - Freeing

extension Reclaim {
  /// In warm mode, takes a live area back from its caller and keeps it mapped, where there is room. O(1).
  /// - Parameters:
  ///   - area: its descriptor.
  ///   - pages: the area's, without its guard.
  ///   - life: the generation of the descriptor when the caller looked at it.
  ///   - cpu: this CPU.
  /// - Returns: false where it has not done so.
  @inline(__always)
  func park(
    _ area: Stable<AreaDescriptor>, _ pages: UInt64, in life: UInt64, _ cpu: borrowing CPU
  ) -> Bool {
    let slot = slot(cpu)
    guard pages &- 1 < AreaCache.largest, pages <= slot.value.warm.room,
      area.value.move(from: .live, to: .parked, in: life)
    else { return false }
    slot.value.warm.keep(area, pages)
    cpu.count(.warmParked)
    return true
  }

  /// Takes a live area back from its caller. Of several that try, one succeeds. O(1): up to 64 pages in a few
  /// blocks are cleared at once.
  /// - Parameters:
  ///   - area: the number of its descriptor.
  ///   - state: what it is in now.
  ///   - life: the generation of the descriptor when the caller looked at it.
  ///   - cpu: this CPU.
  /// - Returns: false where the area is not in that state.
  @inline(never)
  func retire(
    _ area: UInt32, from state: AreaState = .live, in life: UInt64, _ cpu: borrowing CPU
  ) -> Bool {
    let slot = slot(cpu)
    let descriptor = pool[area]
    let pages = descriptor.value.pageCount
    guard descriptor.value.move(from: state, to: .retired, in: life) else { return false }
    let held = openBatch(cpu).value.pages &+ slot.value.queuedPages &+ descriptor.value.span
    if !isWithinBound(held, cpu) { close(cpu) }
    if mode == .strict {
      descriptor.value.progress = 0
      clear(area, cpu)
    } else {
      clearOrQueue(area, pages, cpu)
    }
    return true
  }

  /// Clears a small area in a few blocks; leaves any other to purge steps.
  @inline(never)
  private func clearOrQueue(_ area: UInt32, _ pages: UInt64, _ cpu: borrowing CPU) {
    if pages > Self.largestCleared {
      pool[area].value.progress = 0
      queue(area, cpu)
    } else if !clearSmall(area, limit: Self.clearedByFree, cpu).isDone {
      queue(area, cpu)
    }
  }

  /// Whether there may be an area for `reuseMapped`.
  func hasMapped(_ pages: UInt64, _ cpu: borrowing CPU) -> Bool { slot(cpu).value.warm.has(pages) }

  /// In warm mode, a freed area of the same kind that is still mapped.
  @inline(__always)
  func reuseMapped(_ pages: UInt64, _ traits: AreaTraits, _ cpu: borrowing CPU) -> Stable<AreaDescriptor>? {
    guard let area = slot(cpu).value.warm.take(pages, traits) else { return nil }
    cpu.count(.warmHits)
    return area
  }

  /// A freed area of the same kind that has its addresses and tables.
  @inline(__always)
  func reuse(_ pages: UInt64, _ traits: AreaTraits, _ cpu: borrowing CPU) -> Stable<AreaDescriptor>? {
    guard mode != .strict else { return nil }
    if let area = slot(cpu).value.cool.take(pages, traits) { return area }
    guard flushedBatch(cpu).value.smallAreas.count > 0 else { return nil }
    completeAreas(limit: Self.share, cpu)
    return slot(cpu).value.cool.take(pages, traits)
  }

  /// Puts an area back that `reuse` gave out, and that could not be used.
  func keep(_ area: Stable<AreaDescriptor>, _ cpu: borrowing CPU) {
    slot(cpu).value.cool.keep(area, area.value.pageCount)
  }

  /// The shortest way, in lazy and warm mode, where the bound allows that: takes a live area back from its
  /// caller, clears the entries of a small one where it remembers them, and puts it into the open batch.
  /// - Returns: false where it has not done so.
  @inline(never)
  func retireAtOnce(
    _ area: Stable<AreaDescriptor>, _ pages: UInt64, in life: UInt64, _ cpu: borrowing CPU
  ) -> Bool {
    let batch = openBatch(cpu)
    let held = batch.value.pages &+ area.value.span
    guard held &+ slot(cpu).value.queuedPages <= slot(cpu).value.limit, mode != .strict,
      area.value.move(from: .live, to: .retired, in: life)
    else { return false }
    // Before that, another CPU might have freed it, and the entry be somebody else's.
    let entry = area.value.firstEntry
    guard pages <= Self.largestCleared, entry != 0,
      pages <= UInt64(Self.clearedByFree) || tables.isOneBlock(pages, at: entry)
    else {
      clearOrQueue(area.value.number, pages, cpu)
      return true
    }
    clear(area, pages, at: entry, cpu)
    batch.value.pages = held
    batch.value.smallAreas.push(area.value.number, pool)
    return true
  }

  /// A small area that can be handed out with other frames, from the cool cache or else straight from what is
  /// flushed; nil where work that frees have left is due before. `take` takes it out.
  @inline(__always)
  func keptAtOnce(_ pages: UInt64, _ traits: AreaTraits, _ cpu: borrowing CPU) -> Stable<AreaDescriptor>? {
    let slot = slot(cpu)
    let held = openBatch(cpu).value.pages &+ slot.value.awaitedPages
    guard held &+ pages &+ UInt64(traits.guardPages) <= slot.value.limit, slot.value.queuedPages == 0
    else { return nil }
    if let area = slot.value.cool.first(pages, traits) { return area.value.firstEntry != 0 ? area : nil }
    let number = flushedBatch(cpu).value.smallAreas.first
    guard number != 0 else { return nil }
    let area = pool[number]
    guard area.value.pageCount == pages, area.value.traits.hasSameKey(as: traits), area.value.firstEntry != 0
    else { return nil }
    return area
  }

  @inline(__always)
  func take(_ area: Stable<AreaDescriptor>, _ pages: UInt64, _ cpu: borrowing CPU) {
    if area.value.isKept {
      slot(cpu).value.cool.takeFirst(area, pages)
    } else {
      _ = flushedBatch(cpu).value.smallAreas.pop(pool)
    }
  }

  /// A block of 2^`order` frames straight from what is flushed, if that begins with one: for an area that may
  /// have frames of any zone.
  @inline(__always)
  func takeFlushed(order: Int, _ cpu: borrowing CPU) -> UInt32? {
    flushedBatch(cpu).value.frames.pop(order: order, frames.table)
  }

  @inline(__always)
  private func clear(
    _ area: Stable<AreaDescriptor>, _ pages: UInt64, at entry: UInt, _ cpu: borrowing CPU
  ) {
    tables.detach(pages, at: entry, onto: &openBatch(cpu).value.frames)
    cmachine_step(cmachine_step_entries_cleared)
    cpu.count(.entriesCleared, Int(truncatingIfNeeded: pages))
    cover(PageRange(unchecked: PageNumber(area.value.first), count: PageCount(pages)), cpu)
  }

  func queue(_ area: UInt32, _ cpu: borrowing CPU) {
    slot(cpu).value.queued.push(area, pool)
    slot(cpu).value.queuedPages &+= pool[area].value.span
  }

  /// As `clear`, for an area of at most 64 pages, nothing of which is cleared yet.
  func clearSmall(
    _ area: UInt32, limit: Int = .max, _ cpu: borrowing CPU
  ) -> (work: Int, isDone: Bool) {
    let descriptor = pool[area]
    let (entry, pages) = (descriptor.value.firstEntry, descriptor.value.pageCount)
    if entry != 0 && tables.isOneBlock(pages, at: entry) {
      clear(descriptor, pages, at: entry, cpu)
      retireAddresses(area, cpu)
      return (3, true)
    }
    descriptor.value.progress = 0
    return clear(area, limit: limit, cpu)
  }

  /// Puts an area that is cleared into the open batch.
  @inline(__always)
  func retireAddresses(_ area: UInt32, _ cpu: borrowing CPU) {
    let batch = openBatch(cpu)
    batch.value.pages &+= pool[area].value.span
    if mode != .strict && canBeKept(area) {
      batch.value.smallAreas.push(area, pool)
    } else {
      if pool[area].value.state != .unpinned { unpin(area, cpu) }
      batch.value.areas.push(area, pool)
    }
    #if Ablations
    if Ablation.recycleRangeBeforeFlush.isOn { _ = release(&batch.value.areas, limit: .max, cpu) }
    #endif
  }

  /// Whether an area is small enough for the cool cache, and its guard no larger than it may be.
  func canBeKept(_ area: UInt32) -> Bool {
    pool[area].value.pageCount <= AreaCache.largest && pool[area].value.span <= 2 * AreaCache.largest
  }

  /// Lets go of the tables of an area that is cleared.
  func unpin(_ area: UInt32, _ cpu: borrowing CPU) {
    tables.locked(cpu) {
      tables.unpin(pool[area].value.pages, emptied: &slot(cpu).value.emptied)
      pool[area].value.setState(.unpinned)
    }
  }

  /// Puts what an unmap of `pages` has detached into the open batch.
  @inline(__always)
  func add(_ detached: consuming Detached, _ pages: PageRange, _ cpu: borrowing CPU) {
    let batch = openBatch(cpu)
    batch.value.frames.prepend(detached.frames, frames.table)
    batch.value.tables.append(detached.tables, frames.table)
    cover(pages, cpu)
  }

  /// Has the flush of the open batch cover `pages`, which have been cleared.
  @inline(__always)
  func cover(_ pages: PageRange, _ cpu: borrowing CPU) {
    let batch = openBatch(cpu)
    batch.value.ranges.add(pages, frames.table.pageSize, threshold: shootdown.threshold)
    batch.value.generation = shootdown.newest
    #if Ablations
    if Ablation.freeFramesBeforeFlush.isOn { frames.free(&batch.value.frames, limit: .max, cpu) }
    if Ablation.freeTableBeforeFlush.isOn { _ = free(&batch.value.tables, limit: .max, cpu) }
    #endif
  }
}
