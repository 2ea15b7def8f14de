internal import CMachine
internal import Synchronization

// Reclaim: what is on its way back
//
// A freed area passes these stages; in strict mode before the free returns, else as bounds and budgets say:
//
//     parked    still mapped, in this CPU's warm cache; a request of the same kind takes it out again
//     queued    large: its entries are still there, and a purge step clears them by budget
//     open      small: its entries are absent, and it keeps all else; large: they are cleared, and its frames
//               and addresses are in this CPU's open batch, where the frames of emptied slabs wait, too
//     closed    the batch's flush has been requested: nothing is added to it any more
//     asleep    small, and every CPU has flushed: a request of the same kind has its entries present again
//     flushed   large: the batch as a whole is part of this CPU's flushed one
//     free      the rest is completed, bit by bit: frames, tables, addresses; so is what sleeps too long
//
// The order is a matter of types. What the page tables give up goes into a `RetiredBatch`. A `FlushedBatch`
// takes one in for a `FlushToken`, and only the shootdown makes that, for a request that every CPU has
// served. The token carries the number of its request: it serves for a batch only if the request was made
// after the batch was last added to.
//
// Nothing here waits for another CPU: the façade does (`MemoryManager+CPUs`).

@safe
struct Reclaim {
  // Costs and budgets are in pages of work: what clearing and freeing a page takes, some 200 instructions.

  /// The default of a purge step: some 20,000 instructions, which an idle loop may spend with interrupts off.
  static let budget = 96
  /// What an allocation over its bound does: a third of a step, so that no call pays for many others.
  static let reapBudget = 32
  /// In pages, what it costs to free a frame that has no neighbour with it.
  static let frameCost = 2
  /// In pages, what it costs to free a node of the index: their frames are seldom neighbours.
  static let nodeCost = 4
  /// In pages, what it costs to quarantine a table, and to free it.
  static let tableCost = 8
  /// In pages, what it costs to let go of an area's tables.
  static let unpinCost = 2
  /// In pages, what it costs to give an area's addresses back: most of it once, the slots of the index by a
  /// few instructions each.
  static func releaseCost(_ span: UInt64) -> Int { 12 &+ Int(truncatingIfNeeded: min(span, 4096) / 32) }
  /// In pages, what it costs to take an area out of the warm cache, besides its clearing.
  static let evictCost = 4
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
    let arenas: ArenaTable
    let pool: DescriptorPool
    let shootdown: Shootdown
    /// Pages, guards included, that all CPUs together may have freed and not flushed.
    let bound: UInt64
    /// What of it each CPU has for good.
    let share: UInt64
    /// What of it no CPU has.
    let spare: Atomic<UInt64>
    /// The newest drain: every CPU is asked to give back what it keeps.
    let drainEpoch = Atomic<UInt64>(0)
    /// The number of the area that an NMI has dropped last; zero for none.
    let dropped = Atomic<UInt32>(0)
  }

  /// What one CPU has, besides its batches; in cleared memory, where all of it is empty.
  struct PerCPU: ~Copyable {
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
    /// Areas of `vmalloc`, which keep their frames.
    var owning: Sleepers
    /// The same of areas that are mapped by large leaves alone, by how many those are.
    var large: Sleepers
    /// Areas of `vmap`, which have none.
    var borrowing: Sleepers

    mutating func begin(mode: FreeMode, limit: UInt64, asleep capacity: UInt64, large: UInt64) {
      self.limit = limit
      warm.begin(capacity: mode == .warm ? warmCapacity : 0)
      owning.asleep.begin(capacity: mode == .strict ? 0 : capacity)
      self.large.asleep.begin(capacity: mode == .strict ? 0 : large)
      borrowing.asleep.begin(capacity: mode == .strict ? 0 : capacity)
    }
  }

  let state: Stable<State>

  /// The bound is Linux's for freed pages that are not flushed, 8,192 times the bit length of the number of
  /// CPUs. One CPU has all of it; of several each has its part of one half, and takes from the other half
  /// when it needs more, so that with many CPUs none has too little for one large area.
  init(
    _ mode: FreeMode, _ machine: Stable<Machine>, _ frames: Frames, _ tables: PageTables,
    _ arenas: ArenaTable, carving memory: inout some Carver & ~Copyable
  ) throws(MemoryError) {
    state = try memory.carve(1)
    let shootdown = try Shootdown(machine, frames.cpus, carving: &memory)
    let count = frames.cpus.count
    let bits = UInt64(Int.bitWidth - count.leadingZeroBitCount)
    let bound = 8_192 &* bits
    let share = count == 1 ? bound : bound / UInt64(2 &* count)
    unsafe state.pointer.initialize(
      to: State(
        mode: mode, frames: frames, tables: tables, arenas: arenas, pool: arenas.pool, shootdown: shootdown,
        bound: bound, share: share,
        spare: Atomic(bound &- share &* UInt64(count))))
    // Room to sleep for what may be behind flushes: all that this CPU may borrow, up to twice its even part,
    // so that all CPUs together keep twice the bound at the most. With less, areas that the bound lets be
    // freed are taken apart and made anew at each turn.
    let part = min(bound &- share &* UInt64(count &- 1), 2 &* bound / UInt64(count))
    let largePart = part &>> UInt64(truncatingIfNeeded: tables.areaLeafOrder)
    for cpu in 0..<count {
      let perCPU = frames.cpus.perCPU(cpu)
      perCPU.records(Self.place).value.begin(mode: mode, limit: share, asleep: part, large: largePart)
      unsafe perCPU.records(Self.open).pointer.initialize(to: RetiredBatch())
      unsafe perCPU.records(Self.closed).pointer.initialize(to: RetiredBatch())
      unsafe perCPU.records(Self.flushed).pointer.initialize(to: FlushedBatch())
    }
  }

  var mode: FreeMode { state.value.mode }
  var frames: Frames { state.value.frames }
  var tables: PageTables { state.value.tables }
  var arenas: ArenaTable { state.value.arenas }
  var pool: DescriptorPool { state.value.pool }
  var shootdown: Shootdown { state.value.shootdown }

  @inline(__always)
  static var place: PerCPUPlace<PerCPU> { PerCPUPlace(behind: AreaHints.place.end) }
  @inline(__always)
  static var open: PerCPUPlace<RetiredBatch> { PerCPUPlace(behind: place.end) }
  @inline(__always)
  static var closed: PerCPUPlace<RetiredBatch> { PerCPUPlace(behind: open.end) }
  @inline(__always)
  static var flushed: PerCPUPlace<FlushedBatch> { PerCPUPlace(behind: closed.end) }

  func closedBatch(_ cpu: borrowing CPU) -> Stable<RetiredBatch> { cpu.perCPU.records(Self.closed) }
  @inline(__always)
  func openBatch(_ cpu: borrowing CPU) -> Stable<RetiredBatch> { cpu.perCPU.records(Self.open) }
  func flushedBatch(_ cpu: borrowing CPU) -> Stable<FlushedBatch> { cpu.perCPU.records(Self.flushed) }
  @inline(__always)
  func slot(_ cpu: borrowing CPU) -> Stable<PerCPU> { cpu.perCPU.records(Self.place) }
}

// MARK: - Freeing

extension Reclaim {
  /// In warm mode, takes a live area back from its caller and keeps it mapped, where there is room. O(1).
  /// - Parameters:
  ///   - area: its descriptor.
  ///   - pages: the area's, without its guard.
  ///   - generation: the generation of the descriptor when the caller looked at it.
  ///   - cpu: this CPU.
  /// - Returns: false where it has not done so.
  @inline(__always)
  func park(
    _ area: Stable<AreaDescriptor>, _ pages: UInt64, in generation: UInt64, _ cpu: borrowing CPU
  ) -> Bool {
    let slot = slot(cpu)
    guard pages &- 1 < AreaCache.largest, pages <= slot.value.warm.room,
      area.value.move(from: .live, to: .cached, in: generation)
    else { return false }
    slot.value.warm.keep(area, pages)
    cpu.count(.warmParked)
    return true
  }

  /// Takes a live area back from its caller. Of several that try, one succeeds. O(1): it clears up to 64
  /// pages in a few blocks, and queues larger areas.
  /// - Parameters:
  ///   - area: the number of its descriptor.
  ///   - state: what it is in now.
  ///   - generation: the generation of the descriptor when the caller looked at it.
  ///   - cpu: this CPU.
  /// - Returns: false where the area is not in that state.
  @inline(never)
  func retire(
    _ area: UInt32, from state: AreaState = .live, in generation: UInt64, _ cpu: borrowing CPU
  ) -> Bool {
    let slot = slot(cpu)
    let descriptor = pool[area]
    let pages = descriptor.value.pageCount
    guard descriptor.value.move(from: state, to: .retired, in: generation) else { return false }
    let held = openBatch(cpu).value.pages &+ slot.value.queuedPages &+ descriptor.value.span
    if !isWithinBound(held, cpu) { seal(cpu) }
    if mode == .strict {
      descriptor.value.progress = 0
      clear(area, cpu)
    } else if !sleep(descriptor, cpu) {
      clearOrQueue(area, pages, cpu)
    }
    return true
  }

  /// Clears a small area in a few blocks; leaves any other to purge steps.
  private func clearOrQueue(_ area: UInt32, _ pages: UInt64, _ cpu: borrowing CPU) {
    pool[area].value.progress = 0
    if pages > Self.largestCleared || !clear(area, limit: Self.clearedByFree, cpu).isDone { queue(area, cpu) }
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

  /// Makes the entries of an area that was taken back absent, where it may sleep.
  /// - Returns: false, with nothing done, where it may not.
  func sleep(_ area: Stable<AreaDescriptor>, _ cpu: borrowing CPU) -> Bool {
    let slot = slot(cpu)
    let pages = area.value.pageCount
    if canSleep(area, among: &slot.value.owning) {
      tables.suspend(area.value.pages)
      pushSuspendedSlow(area, pages, among: &slot.value.owning, cpu)
      return true
    }
    guard let leaves = largeLeaves(pages), area.value.entryPointer != 0,
      leaves <= slot.value.large.asleep.room
    else { return false }
    tables.suspend(leaves, at: area.value.entryPointer)
    pushSuspendedSlow(area, leaves, among: &slot.value.large, cpu)
    return true
  }

  /// In lazy and warm mode takes a small live area back from its caller, where the bound allows that: makes
  /// its entries absent, and puts it with others of its page count behind the flush of the open batch. It
  /// keeps all else. Calls nothing.
  /// - Returns: false where it has not done so.
  @inline(__always)
  func suspend(
    _ area: Stable<AreaDescriptor>, _ pages: UInt64, in generation: UInt64, _ cpu: borrowing CPU
  ) -> Bool {
    let (slot, batch) = (slot(cpu), openBatch(cpu))
    // Possibly of another generation: then the compare-and-swap below fails.
    let entry = area.value.entryPointer
    guard entry != 0, pages &- 1 < AreaCache.largest, pages <= slot.value.owning.asleep.room,
      batch.value.ranges.isEverything,
      batch.value.pages &+ slot.value.queuedPages &+ area.value.span <= slot.value.limit,
      slot.value.owning.open.has(pages), area.value.move(from: .live, to: .retired, in: generation)
    else { return false }
    tables.suspend(pages, at: entry)
    pushSuspended(area, pages, among: &slot.value.owning, cpu)
    return true
  }

  /// Puts an area whose entries were made absent behind the flush of the open batch. There are others of its
  /// page count, and the flush is of everything.
  /// - Parameter count: how many entries those are: its pages, or large leaves.
  @inline(__always)
  func pushSuspended(
    _ area: Stable<AreaDescriptor>, _ count: UInt64, among sleepers: inout Sleepers, _ cpu: borrowing CPU
  ) {
    cmachine_step(cmachine_step_entries_cleared)
    let batch = openBatch(cpu)
    cpu.count(.entriesCleared, Int(truncatingIfNeeded: count))
    batch.value.pages &+= area.value.span
    batch.value.generation = shootdown.newest
    sleepers.asleep.reserve(count)
    sleepers.open.push(area, count)
  }

  /// Puts a suspended area behind the flush of the open batch, and has that flush cover it.
  @inline(never)
  func pushSuspendedSlow(
    _ area: Stable<AreaDescriptor>, _ count: UInt64, among sleepers: inout Sleepers, _ cpu: borrowing CPU
  ) {
    if !sleepers.open.has(count) { sleepers.open.begin(area, count) }
    pushSuspended(area, count, among: &sleepers, cpu)
    cover(area.value.pages, cpu)
  }

  /// A small area that sleeps and whose entries are where it remembers them, straight from its chain; nil
  /// where work that frees have left is due before. `asleep.takeFirst` takes it out.
  @inline(__always)
  func first(
    _ pages: UInt64, _ traits: AreaTraits, among sleepers: inout Sleepers, _ cpu: borrowing CPU
  ) -> Stable<AreaDescriptor>? {
    let slot = slot(cpu)
    let held = openBatch(cpu).value.pages &+ slot.value.awaitedPages
    guard held &+ pages &+ UInt64(traits.guardPages) <= slot.value.limit, slot.value.queuedPages == 0,
      let area = sleepers.asleep.first(pages, traits), area.value.entryPointer != 0
    else { return nil }
    return area
  }

  func queue(_ area: UInt32, _ cpu: borrowing CPU) {
    slot(cpu).value.queued.push(area, pool)
    slot(cpu).value.queuedPages &+= pool[area].value.span
  }

  /// Puts an area that is cleared, and has let go of its tables, into the open batch.
  func retireAddresses(_ area: UInt32, _ cpu: borrowing CPU) {
    let batch = openBatch(cpu)
    batch.value.pages &+= pool[area].value.span
    batch.value.areas.push(area, pool)
    #if Ablations
    if Ablation.recycleRangeBeforeFlush.isOn { _ = release(&batch.value.areas, limit: .max, cpu) }
    #endif
  }

  /// Whether an area is small enough to sleep, and its guard no larger than it may be.
  func isSmall(_ area: Stable<AreaDescriptor>) -> Bool {
    area.value.pageCount <= AreaCache.largest && area.value.span <= 2 * AreaCache.largest
  }

  func canSleep(_ area: Stable<AreaDescriptor>, among sleepers: inout Sleepers) -> Bool {
    isSmall(area) && area.value.pageCount <= sleepers.asleep.room
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
