internal import CMachine
internal import Synchronization

// Reclaim: what is on its way back
//
// A freed area passes these stages; in strict mode all of them at once, else as bounds and budgets say:
//
//     parked    still mapped, in this CPU's warm cache; a request of the same kind takes it out again
//     queued    large: its entries are still there, and a purge step clears them by budget
//     open      its entries are cleared; its frames and its addresses are in this CPU's open batch
//     closed    the batch's flush has been requested: nothing is added to it any more
//     free      every CPU has flushed, and the batch has been completed
//
// The order is a matter of types. What the page tables give up goes into a `RetiredBatch`. A batch
// gives up its contents only to `complete`, which wants a `FlushToken`, and only the shootdown makes
// one, for a request that every CPU has served. The token carries the number of its request: it
// completes a batch only if the request was made after the batch was last added to.
//
// Nothing here waits, so a free is legal in any context. What waits for other CPUs is the façade.

@safe
struct Reclaim {
  /// Pages that a purge step works on at the most, unless it is told otherwise: some 15,000 instructions.
  static let budget = 256
  /// A free of more pages than this leaves the clearing to a purge step.
  static let largestCleared: UInt64 = 64

  struct State: ~Copyable {
    let mode: FreeMode
    let frames: Frames
    let tables: PageTables
    let areas: AreasTable
    let shootdown: Shootdown
    /// For each CPU.
    let slots: Stable<Slot>
    let open: Stable<RetiredBatch>
    let closed: Stable<RetiredBatch>
    /// Pages, guards included, that one CPU may have in its open batch.
    let bound: UInt64
    /// Rounds in which every CPU is asked to give back what it keeps.
    let round = Atomic<UInt64>(0)
  }

  /// What one CPU has, besides its batches.
  struct Slot: ~Copyable {
    /// The request that the closed batch waits for; zero where there is no closed batch.
    var awaited: UInt64 = 0
    var queued = AreaList()
    var emptied = EmptiedTables()
    var warm = WarmCache()
    /// Purges so far, by which parked areas age.
    var time: UInt64 = 0
    /// The last round that this CPU has answered.
    let answered = Atomic<UInt64>(0)
  }

  private let state: Stable<State>

  /// The bound is Linux's for freed pages that are not flushed, 8,192 times the bit length of the
  /// number of CPUs, in equal shares.
  init(
    mode: FreeMode, frames: Frames, tables: PageTables, areas: AreasTable, shootdown: Shootdown,
    state: Stable<State>, slots: Stable<Slot>, open: Stable<RetiredBatch>, closed: Stable<RetiredBatch>
  ) {
    self.state = state
    let count = frames.cpus.count
    let bits = UInt64(Int.bitWidth - count.leadingZeroBitCount)
    unsafe state.pointer.initialize(
      to: State(
        mode: mode, frames: frames, tables: tables, areas: areas, shootdown: shootdown, slots: slots,
        open: open, closed: closed, bound: 8_192 &* bits / UInt64(count)))
    for cpu in 0..<count {
      unsafe slots[cpu].pointer.initialize(to: Slot())
      unsafe open[cpu].pointer.initialize(to: RetiredBatch())
      unsafe closed[cpu].pointer.initialize(to: RetiredBatch())
    }
  }

  var mode: FreeMode { state.value.mode }
  private var frames: Frames { state.value.frames }
  private var tables: PageTables { state.value.tables }
  private var areas: AreasTable { state.value.areas }
  private var pool: DescriptorPool { state.value.areas.pool }
  var shootdown: Shootdown { state.value.shootdown }

  func openBatch(_ cpu: borrowing CPU) -> Stable<RetiredBatch> { state.value.open[cpu.number] }
  private func slot(_ cpu: borrowing CPU) -> Stable<Slot> { state.value.slots[cpu.number] }
}

// MARK: - Freeing

extension Reclaim {
  /// Takes a live area back from its caller. Of several that try, one succeeds. O(pages) up to 64
  /// pages, O(1) above.
  /// - Parameter life: the generation of the descriptor when the caller looked at it.
  /// - Returns: false where the area is not live.
  func retire(_ area: UInt32, in life: UInt64, _ cpu: borrowing CPU) -> Bool {
    let slot = slot(cpu)
    let pages = pool[area].value.pageCount
    if mode == .warm && slot.value.warm.fits(pages) {
      guard pool[area].value.move(from: .live, to: .parked, in: life) else { return false }
      slot.value.warm.park(area, at: slot.value.time, pool)
      cpu.count(.warmParked)
      return true
    }
    guard pool[area].value.move(from: .live, to: .retired, in: life) else { return false }
    pool[area].value.progress = 0
    if mode != .strict && pages > Self.largestCleared {
      slot.value.queued.push(area, pool)
    } else {
      clear(area, limit: pages, cpu)
    }
    if mode == .strict || isOverBound(cpu) { close(cpu) }
    return true
  }

  /// Takes an area out of the warm cache.
  func reuse(_ pages: UInt64, _ traits: AreaTraits, _ cpu: borrowing CPU) -> UInt32? {
    guard mode == .warm, let area = slot(cpu).value.warm.take(pages, key: traits.key, pool) else {
      return nil
    }
    cpu.count(.warmHits)
    return area
  }

  /// Clears the next pages of a retired area, at most `limit`; the last of them put it into the open batch.
  /// - Returns: whether those were the last.
  @discardableResult
  private func clear(_ area: UInt32, limit: UInt64, _ cpu: borrowing CPU) -> Bool {
    let descriptor = pool[area]
    let done = descriptor.value.progress
    let count = min(limit, descriptor.value.pageCount &- done)
    let pages = PageRange(
      unchecked: PageNumber(descriptor.value.first &+ done), count: PageCount(count))
    let detached = tables.locked(cpu) {
      tables.clear(pages, owned: true, emptied: &slot(cpu).value.emptied)
    }
    cmachine_step(cmachine_step_entries_cleared)
    descriptor.value.progress = done &+ count
    let isLast = done &+ count == descriptor.value.pageCount
    add(detached, pages, area: isLast ? area : nil, cpu)
    return isLast
  }

  /// Puts what an unmap of `pages` has detached into the open batch, and the area that had them, if
  /// they were its last.
  func add(
    _ detached: consuming Detached, _ pages: PageRange, area: UInt32?, _ cpu: borrowing CPU
  ) {
    let batch = openBatch(cpu)
    cpu.count(.entriesCleared, detached.entriesCleared)
    batch.value.frames.prepend(detached.frames, frames.table)
    batch.value.tables.prepend(detached.tables, frames.table)
    batch.value.ranges.add(pages, frames.table.pageSize, threshold: shootdown.threshold)
    batch.value.generation = shootdown.newest
    guard let area else { return }
    batch.value.areas.push(area, pool)
    batch.value.pages &+= pool[area].value.span
  }

  /// Clears a mapping of borrowed frames, and asks for its flush.
  func unmap(_ pages: PageRange, _ cpu: borrowing CPU) {
    let detached = tables.locked(cpu) {
      tables.clear(pages, owned: false, emptied: &slot(cpu).value.emptied)
    }
    add(detached, pages, area: nil, cpu)
    prune(limit: .max, cpu)
    close(cpu)
  }

  /// The frames in all batches, for a check while nothing runs.
  var retiredFrames: Int {
    var count = 0
    for cpu in 0..<frames.cpus.count {
      let (open, closed) = (state.value.open[cpu], state.value.closed[cpu])
      count &+= open.value.frames.count &+ open.value.tables.count
      count &+= closed.value.frames.count &+ closed.value.tables.count
    }
    return count
  }

  func isOverBound(_ cpu: borrowing CPU) -> Bool {
    openBatch(cpu).value.pages >= state.value.bound
  }

  /// The request that this CPU's closed batch waits for; zero where it has none.
  func awaited(_ cpu: borrowing CPU) -> UInt64 { slot(cpu).value.awaited }
}

// MARK: - Closing and completing

extension Reclaim {
  /// Asks for the flush of the open batch, unless an earlier one still waits for its own.
  func close(_ cpu: borrowing CPU) {
    complete(limit: .max, cpu)
    if mode == .strict { prune(limit: .max, cpu) }
    let slot = slot(cpu)
    let open = openBatch(cpu)
    guard slot.value.awaited == 0, !open.value.isEmpty else { return }
    let batch = unsafe open.pointer.move()
    unsafe open.pointer.initialize(to: RetiredBatch())
    var ranges = batch.ranges
    // A table that emptied in an earlier batch may be the only thing in this one.
    if ranges.isEmpty { ranges.addEverything() }
    let none = unsafe state.value.closed[cpu.number].pointer.move()
    none.end()
    unsafe state.value.closed[cpu.number].pointer.initialize(to: batch)
    // Until the request has its number: one that is never complete, since a free may come in between.
    slot.value.awaited = .max
    slot.value.awaited = shootdown.request(ranges, cpu)
    guard mode == .strict else { return }
    complete(limit: .max, cpu)
    if !openBatch(cpu).value.isEmpty { close(cpu) }
  }

  /// Frees up to `limit` things of the closed batch, if its flush is complete.
  /// - Returns: how many.
  @discardableResult
  func complete(limit: Int, _ cpu: borrowing CPU) -> Int {
    let slot = slot(cpu)
    guard slot.value.awaited != 0, let token = shootdown.token(for: slot.value.awaited) else { return 0 }
    var left = limit
    let closed = state.value.closed[cpu.number]
    let rest = complete(unsafe closed.pointer.move(), token, &left, cpu)
    if rest.isEmpty {
      slot.value.awaited = 0
      cpu.count(.batchesCompleted)
    }
    unsafe closed.pointer.initialize(to: rest)
    return limit &- left
  }

  /// Frees what a batch holds, up to `left` things, by the token of a request that was made after the
  /// batch was last added to.
  private func complete(
    _ batch: consuming RetiredBatch, _ token: borrowing FlushToken, _ left: inout Int,
    _ cpu: borrowing CPU
  ) -> RetiredBatch {
    if token.number <= batch.generation {
      shootdown.fail("a batch was completed by a flush that was requested before it was closed")
    }
    left &-= frames.free(&batch.frames, limit: left, cpu)
    let tableCount = frames.free(&batch.tables, limit: left, cpu)
    cpu.count(.tablesReturned, tableCount)
    left &-= tableCount
    cmachine_step(cmachine_step_frames_freed)
    if left > 0 && batch.areas.count > 0 {
      left &-= areas.locked(cpu) { release(&batch.areas, limit: left) }
      cmachine_step(cmachine_step_range_freed)
    }
    if batch.areas.count == 0 && batch.frames.count == 0 && batch.tables.count == 0 {
      batch.ranges = FlushRanges()
    }
    return batch
  }

  private func release(_ list: inout AreaList, limit: Int) -> Int {
    var count = 0
    while count < limit, let area = list.pop(pool) {
      areas[pool[area].value.traits.instance].release(area)
      count &+= 1
    }
    return count
  }

  /// Detaches up to `limit` emptied tables into the open batch.
  /// - Returns: how many.
  @discardableResult
  private func prune(limit: Int, _ cpu: borrowing CPU) -> Int {
    guard slot(cpu).value.emptied.count > 0 else { return 0 }
    let detached = tables.locked(cpu) { tables.prune(&slot(cpu).value.emptied, limit: limit) }
    let count = detached.tables.count
    add(detached, PageRange(unchecked: PageNumber(0), count: .zero), area: nil, cpu)
    return count
  }
}

// MARK: - Purging

extension Reclaim {
  /// One step: completes, ages the warm cache, clears what is queued, detaches empty tables, and asks
  /// for the next flush; about `budget` pages of work.
  /// - Parameter all: empty the warm cache, whatever its age.
  /// - Returns: whether there is more to do.
  func step(budget: Int, all: Bool, _ cpu: borrowing CPU) -> Bool {
    let slot = slot(cpu)
    var left = budget
    left &-= complete(limit: left, cpu)
    slot.value.time &+= 1
    let oldest = all ? UInt64.max : slot.value.time &- min(slot.value.time, 2)
    while left > 0, let area = slot.value.warm.evict(parkedBefore: oldest, pool) {
      cpu.count(.warmEvicted)
      pool[area].value.setState(.retired)
      pool[area].value.progress = 0
      left &-= Int(truncatingIfNeeded: pool[area].value.pageCount)
      clear(area, limit: .max, cpu)
    }
    while left > 0, slot.value.queued.first != 0 {
      let area = slot.value.queued.first
      let before = pool[area].value.progress
      let isDone = clearQueued(area, limit: UInt64(left), cpu)
      left &-= isDone ? Int(truncatingIfNeeded: pool[area].value.pageCount &- before) : left
    }
    // Finding a table's entry in the one above it is a search of that table.
    if left > 0 { left &-= 16 &* prune(limit: max(1, left / 16), cpu) }
    if left > 0 { close(cpu) }
    return slot.value.awaited != 0 || slot.value.queued.first != 0 || slot.value.emptied.count > 0
      || !openBatch(cpu).value.isEmpty || (all && slot.value.warm.pages > 0)
  }

  /// Clears part of the first queued area. It leaves the queue before its link serves the batch.
  private func clearQueued(_ area: UInt32, limit: UInt64, _ cpu: borrowing CPU) -> Bool {
    let left = pool[area].value.pageCount &- pool[area].value.progress
    if left <= limit { _ = slot(cpu).value.queued.pop(pool) }
    return clear(area, limit: limit, cpu)
  }

  /// A little of the work that frees have left, for an allocation to do on its way.
  /// - Returns: whether there was any.
  @discardableResult
  func relieve(_ cpu: borrowing CPU) -> Bool {
    if slot(cpu).value.queued.first != 0 || isOverBound(cpu) {
      return step(budget: Self.budget, all: false, cpu)
    }
    return complete(limit: 16, cpu) > 0
  }

  /// Starts a round in which every CPU is to give back what it keeps.
  func startRound() -> UInt64 {
    state.value.round.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue
  }

  /// Whether this CPU has yet to answer the newest round.
  func isAsked(_ cpu: borrowing CPU) -> Bool {
    slot(cpu).value.answered.load(ordering: .relaxed) != state.value.round.load(ordering: .acquiring)
  }

  /// Answers the newest round, if this CPU has not: gives back its warm cache, all that is retired, and
  /// its lists of frames.
  func answer(_ cpu: borrowing CPU) {
    let round = state.value.round.load(ordering: .acquiring)
    guard slot(cpu).value.answered.load(ordering: .relaxed) != round else { return }
    _ = step(budget: .max, all: true, cpu)
    complete(limit: .max, cpu)
    frames.drainCaches(cpu)
    slot(cpu).value.answered.store(round, ordering: .releasing)
  }

  /// Whether a CPU that is online has yet to answer a round.
  func isUnanswered(_ round: UInt64, by number: Int) -> Bool {
    shootdown.isOnline(number)
      && state.value.slots[number].value.answered.load(ordering: .acquiring) < round
  }
}
