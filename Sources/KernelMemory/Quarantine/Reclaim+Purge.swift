internal import Synchronization

// Purging: in steps with a budget, on the way of allocations, and in drains of all CPUs.

extension Reclaim {
  /// One step: completes, ages the caches, clears what is queued, quarantines empty tables, and requests the
  /// next flush; about `budget` pages of work.
  /// - Parameters:
  ///   - budget: pages.
  ///   - all: empty the caches, whatever the age of what is in them.
  ///   - cpu: this CPU.
  /// - Returns: what is left of the budget; not above zero where work may be left that needs no other CPU.
  func step(budget: Int, all: Bool, _ cpu: borrowing CPU) -> Int {
    let left = gather(budget: budget, all: all, cpu)
    if left > 0 { seal(cpu) }
    return left
  }

  /// A step without the request of the next flush.
  func gather(budget: Int, all: Bool, _ cpu: borrowing CPU) -> Int {
    let slot = slot(cpu)
    var left = budget
    left &-= complete(limit: left, cpu)
    left &-= evictWarm(all: all, limit: left, cpu)
    left &-= stripAsleep(all: all, limit: left, cpu)
    if all {
      left &-= stripOpen(limit: left, cpu)
    } else {
      slot.value.warm.age()
      slot.forEachKind { $0.asleep.age() }
    }
    left &-= clearQueued(limit: left, cpu)
    left &-= Self.tableCost &* detachEmptyTables(limit: Self.share(of: left, Self.tableCost), cpu)
    // One flush for all of them.
    if slot.value.emptied.count > 0 { left = min(left, 0) }
    return left
  }

  /// Whether there is more to do on this CPU, the caches aside.
  func hasWork(_ cpu: borrowing CPU) -> Bool {
    let slot = slot(cpu)
    return slot.value.awaited != 0 || slot.value.queued.first != 0 || slot.value.emptied.count > 0
      || !openBatch(cpu).value.isEmpty || !flushedBatch(cpu).value.isEmpty
  }

  /// Whether nothing waits on this CPU, and its caches are empty.
  func isEmpty(_ cpu: borrowing CPU) -> Bool {
    let slot = slot(cpu)
    var cached = slot.value.warm.pages
    slot.forEachKind { cached &+= $0.asleep.pages }
    return cached == 0 && !hasWork(cpu)
  }

  private func evictWarm(all: Bool, limit: Int, _ cpu: borrowing CPU) -> Int {
    var done = 0
    while done < limit, let area = slot(cpu).value.warm.evict(all: all) {
      cpu.count(.warmEvicted)
      area.value.setState(.retired)
      done &+= Self.evictCost
      guard all || !sleep(area, cpu) else { continue }
      area.value.progress = 0
      done &+= clear(area.value.number, cpu).work
    }
    return done
  }

  /// Clears pages of queued areas.
  /// - Returns: how much work that was.
  private func clearQueued(limit: Int, _ cpu: borrowing CPU) -> Int {
    let slot = slot(cpu)
    var done = 0
    // An area's link serves the queue or the batch.
    while done < limit, let area = slot.value.queued.pop(pool) {
      slot.value.queuedPages &-= pool[area].value.span
      let step = clear(area, limit: limit &- done, cpu)
      done &+= step.work
      if !step.isDone { queue(area, cpu) }
    }
    return done
  }

  // MARK: On the way of an allocation

  /// Does an allocation's share of the work that frees have left: completes what it needs, clears as much.
  /// - Parameters:
  ///   - pages: what the allocation needs.
  ///   - span: the same with its guard: what its free will hold back.
  ///   - cpu: this CPU.
  /// - Returns: whether this CPU would then hold back more than it may.
  @inline(__always)
  func reapShare(_ pages: UInt64, span: UInt64, _ cpu: borrowing CPU) -> Bool {
    let slot = slot(cpu)
    // Reap in proportion to what is allocated.
    let share = Self.share &+ Int(truncatingIfNeeded: pages)
    pollFlush(cpu)
    if !flushedBatch(cpu).value.isEmpty {
      if pages > AreaCache.largest {
        completeShare(pages: share, cpu)
      } else if !hasFrames(for: pages, cpu) {
        completeFrames(limit: Self.share, pages: share, cpu)
      }
    }
    if slot.value.queued.first != 0 { _ = clearQueued(limit: share, cpu) }
    guard isOverBound(with: span, cpu) else { return false }
    // What this flushes may be what is asked for.
    seal(cpu)
    pollFlush(cpu)
    return isOverBound(with: span, cpu)
  }

  /// Whether this CPU's lists have the largest block that so many pages take.
  @inline(__always)
  private func hasFrames(for pages: UInt64, _ cpu: borrowing CPU) -> Bool {
    frames.hasListed(order: 63 &- pages.leadingZeroBitCount, .normal, cpu)
  }

  /// What an allocation that finds this CPU over its bound adds to that: at most one step, and the next
  /// flush. The rest is left to later allocations, to purge steps, and to whoever finds memory short.
  /// - Returns: the request to wait for where this CPU is over its bound still; else zero.
  func reapStep(_ cpu: borrowing CPU) -> UInt64 {
    let left = Self.reapBudget &- complete(limit: Self.reapBudget, cpu)
    _ = clearQueued(limit: left, cpu)
    seal(cpu)
    return isOverBound(with: 0, cpu) ? awaited(cpu) : 0
  }

  /// Whether, with `span` more, more pages are freed and not flushed than this CPU may have.
  @inline(__always)
  private func isOverBound(with span: UInt64, _ cpu: borrowing CPU) -> Bool {
    let slot = slot(cpu)
    let held = openBatch(cpu).value.pages &+ slot.value.queuedPages &+ slot.value.awaitedPages
    if held &+ span <= slot.value.limit { return false }
    // At most the bound: more would not fit under it, ever.
    return held > 0 && !isWithinBound(held &+ min(span, state.value.bound), cpu)
  }

  /// The request that this CPU's closed batch waits for; zero where it has none.
  func awaited(_ cpu: borrowing CPU) -> UInt64 { slot(cpu).value.awaited }

  // MARK: Drains

  /// Starts a drain, in which every CPU gives back what it keeps.
  func startDrain(_ cpu: borrowing CPU) -> UInt64 {
    shootdown.locked(cpu) {
      let drainEpoch = state.value.drainEpoch.load(ordering: .relaxed) &+ 1
      state.value.drainEpoch.store(drainEpoch, ordering: .releasing)
      return drainEpoch
    }
  }

  /// Whether this CPU has yet to make the newest drain.
  func isDrainPending(_ cpu: borrowing CPU) -> Bool {
    cpu.block.value.progress.answered != drainEpoch
  }

  /// The newest drain.
  var drainEpoch: UInt64 { state.value.drainEpoch.load(ordering: .acquiring) }

  /// A step of a drain: the caches of areas, all that is retired, and after those the lists of frames.
  /// - Returns: false where another step is needed.
  func drain(budget: Int, _ cpu: borrowing CPU) -> Bool {
    var left = step(budget: budget, all: true, cpu)
    if left > 0 { left &-= complete(limit: left, cpu) }
    guard left > 0 else { return false }
    frames.drainCaches(cpu)
    return true
  }

  /// Whether a CPU that takes part has yet to make a drain.
  func isUnanswered(_ drainEpoch: UInt64, by number: Int) -> Bool {
    frames.cpus.block(number).value.progress.answered < drainEpoch
  }

  /// Takes part from here on, in what is asked from here on.
  func join(_ cpu: borrowing CPU) {
    shootdown.join(
      drainEpoch: {
        #if Ablations
        if Ablation.joinUnanswered.isOn { return 0 }
        #endif
        return state.value.drainEpoch.load(ordering: .relaxed)
      }, cpu)
  }
}
