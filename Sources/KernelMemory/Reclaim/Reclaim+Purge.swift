internal import Synchronization

// Purging: in steps with a budget, on the way of allocations, and in rounds of all CPUs.

extension Reclaim {
  /// One step: completes, ages the caches, clears what is queued, puts empty tables to rest, and asks for the
  /// next flush; about `budget` pages of work.
  /// - Parameters:
  ///   - budget: pages.
  ///   - all: empty the caches, whatever the age of what is in them.
  ///   - cpu: this CPU.
  /// - Returns: whether there is more to do.
  func step(budget: Int, all: Bool, _ cpu: borrowing CPU) -> Bool {
    let slot = slot(cpu)
    var left = budget
    left &-= complete(limit: left, keeping: !all, cpu)
    left &-= evictWarm(all: all, limit: left, cpu)
    left &-= evictCool(all: all, limit: left, cpu)
    slot.value.warm.age()
    slot.value.cool.age()
    left &-= clearQueued(limit: left, cpu)
    // Without this their tables would wait for a flush of their own.
    if all {
      let open = openBatch(cpu)
      left &-= sort(&open.value.smallAreas, into: &open.value.areas, limit: left, keeping: false, cpu)
    }
    left &-= Self.tableCost &* prune(limit: Self.share(of: left, Self.tableCost), cpu)
    if left > 0 { close(cpu) }
    return slot.value.awaited != 0 || slot.value.queued.first != 0 || slot.value.emptied.count > 0
      || !openBatch(cpu).value.isEmpty || !flushedBatch(cpu).value.isEmpty
      || (all && slot.value.warm.pages &+ slot.value.cool.pages > 0)
  }

  private func evictWarm(all: Bool, limit: Int, _ cpu: borrowing CPU) -> Int {
    var done = 0
    while done < limit, let area = slot(cpu).value.warm.evict(all: all) {
      cpu.count(.warmEvicted)
      area.value.setState(.retired)
      done &+= clearSmall(area.value.number, cpu).work &+ 4
    }
    return done
  }

  /// Nothing is mapped there any more, and nothing is in a TLB: the addresses are free at once.
  private func evictCool(all: Bool, limit: Int, _ cpu: borrowing CPU) -> Int {
    var done = 0
    while done < limit, let area = slot(cpu).value.cool.evict(all: all) {
      done &+= Self.releaseCost(area.value.span)
      unpin(area.value.number, cpu)
      areas.locked(cpu) { areas[area.value.traits.instance].release(area.value.number) }
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

  /// A little of the work that frees have left: what the allocation needs itself, and its share of the rest.
  /// - Parameters:
  ///   - pages: what the allocation needs.
  ///   - span: the same with its guard: what its free will hold back.
  ///   - cpu: this CPU.
  /// - Returns: whether this CPU would then hold back more than it may.
  @inline(__always)
  func relieve(_ pages: UInt64, span: UInt64, _ cpu: borrowing CPU) -> Bool {
    let slot = slot(cpu)
    // Whoever takes many pages does as much for those that came back.
    let share = Self.share &+ Int(truncatingIfNeeded: pages)
    collect(cpu)
    if !flushedBatch(cpu).value.isEmpty {
      if pages > AreaCache.largest {
        completeShare(pages: share, cpu)
      } else if !hasFrames(for: pages, cpu) {
        completeFrames(limit: Self.share, pages: share, cpu)
      }
    }
    if slot.value.queued.first != 0 { _ = clearQueued(limit: share, cpu) }
    return isOverBound(with: span, cpu)
  }

  /// Whether this CPU's lists have the largest block that so many pages take.
  @inline(__always)
  private func hasFrames(for pages: UInt64, _ cpu: borrowing CPU) -> Bool {
    frames.hasListed(order: 63 &- pages.leadingZeroBitCount, .normal, cpu)
  }

  /// As much of that work as a purge step does, and the next flush.
  /// - Returns: whether this CPU would hold back more than it may with `span` pages more.
  func relieveMore(span: UInt64, _ cpu: borrowing CPU) -> Bool {
    let left = Self.relief &- complete(limit: Self.relief, keeping: true, cpu)
    _ = clearQueued(limit: left, cpu)
    close(cpu)
    return isOverBound(with: span, cpu)
  }

  /// Whether, with `span` more, more pages are freed and not flushed than this CPU's share of the bound.
  @inline(__always)
  private func isOverBound(with span: UInt64, _ cpu: borrowing CPU) -> Bool {
    let slot = slot(cpu)
    // At most the bound: more would not fit under it, ever.
    let held = openBatch(cpu).value.pages &+ slot.value.queuedPages &+ min(span, state.value.bound)
    if held > state.value.bound { return true }
    return held &+ slot.value.awaitedPages > state.value.bound
  }

  /// The request that this CPU's closed batch waits for; zero where it has none.
  func awaited(_ cpu: borrowing CPU) -> UInt64 { slot(cpu).value.awaited }

  // MARK: Rounds

  /// Starts a round in which every CPU is to give back what it keeps.
  func startRound() -> UInt64 {
    updating(.shared) {
      state.value.round.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue
    }
  }

  /// Whether this CPU has yet to answer the newest round.
  func isAsked(_ cpu: borrowing CPU) -> Bool {
    slot(cpu).value.answered.load(ordering: .relaxed) != state.value.round.load(ordering: .acquiring)
  }

  /// Answers the newest round, if this CPU has not: gives back its caches, all that is retired, and its
  /// lists of frames.
  func answer(_ cpu: borrowing CPU) {
    guard isAsked(cpu) else { return }
    let round = state.value.round.load(ordering: .acquiring)
    _ = step(budget: .max, all: true, cpu)
    complete(limit: .max, keeping: false, cpu)
    frames.drainCaches(cpu)
    slot(cpu).value.answered.store(round, ordering: .releasing)
  }

  /// Whether a CPU that is online has yet to answer a round.
  func isUnanswered(_ round: UInt64, by number: Int) -> Bool {
    shootdown.isOnline(number)
      && state.value.slots[number].value.answered.load(ordering: .acquiring) < round
  }
}
