internal import Synchronization

// Reaping: in purge steps with a budget, on the way of allocations, and in drains of all CPUs.

extension Vmalloc {
  /// One step of about `budget` pages of work: `purge`, and, where some of the budget is left then, the
  /// request of the next flush.
  /// - Parameters:
  ///   - budget: pages.
  ///   - all: empty the caches, whatever the age of what is in them.
  ///   - cpu: this CPU.
  /// - Returns: what is left of the budget; not above zero where work may be left that needs no other CPU.
  func purgeAndSeal(budget: Int, all: Bool, _ cpu: borrowing CPU) -> Int {
    let left = purge(budget: budget, all: all, cpu)
    if left > 0 { quarantine.seal(cpu) }
    return left
  }

  /// A step without the request of the next flush: frees what is flushed, takes apart what is old in the
  /// caches and ages the rest, clears what is queued, quarantines empty tables.
  func purge(budget: Int, all: Bool, _ cpu: borrowing CPU) -> Int {
    var left = budget
    left &-= quarantine.complete(limit: left, cpu)
    popFlushed(cpu)
    left &-= evictWarm(all: all, limit: left, cpu)
    left &-= stripAsleep(all: all, limit: left, cpu)
    if all {
      left &-= stripOpen(limit: left, cpu)
    } else {
      for cache in 0...AreaKind.count { cpu.perCPU.records(Self.caches)[cache].value.age() }
    }
    left &-= clearQueued(limit: left, cpu)
    left &-=
      Work.table &* quarantine.detachEmptyTables(limit: Work.share(of: left, Work.table), cpu)
    // One flush for all of them.
    if cpu.perCPU.quarantine.value.emptied.count > 0 { left = min(left, 0) }
    return left
  }

  /// A step of a drain: the caches of areas, all that is retired, and after those the lists of frames.
  /// - Returns: false where another step is needed.
  func drain(budget: Int, _ cpu: borrowing CPU) -> Bool {
    var left = purgeAndSeal(budget: budget, all: true, cpu)
    if left > 0 { left &-= quarantine.complete(limit: left, cpu) }
    guard left > 0 else { return false }
    frames.drainCaches(cpu)
    return true
  }

  /// Takes suspended areas out of quarantine whose flush is complete: they are asleep from here on.
  /// O(chains that there are).
  @inline(__always)
  func popFlushed(_ cpu: borrowing CPU) {
    for kind in 0..<AreaKind.count {
      cpu.perCPU.records(Self.caches)[1 &+ kind].value.push(
        allOf: &cpu.perCPU.records(Quarantine.suspended)[kind].value.flushed)
    }
  }

  private func evictWarm(all: Bool, limit: Int, _ cpu: borrowing CPU) -> Int {
    var done = 0
    while done < limit, let area = cpu.perCPU.warm.value.evict(all: all) {
      cpu.count(.warmEvicted)
      area.value.setState(.retired)
      done &+= Work.evict
      guard all || !sleep(area, cpu) else { continue }
      area.value.progress = 0
      done &+= clear(area, cpu).work
    }
    return done
  }

  /// Clears pages of queued areas.
  /// - Returns: how much work that was.
  private func clearQueued(limit: Int, _ cpu: borrowing CPU) -> Int {
    var done = 0
    // An area's link serves the queue or the batch.
    while done < limit, let number = cpu.perCPU.vmalloc.value.queued.pop(pool) {
      let area = pool[number]
      quarantine.uncountQueued(area.value.span, cpu)
      let step = clear(area, limit: limit &- done, cpu)
      done &+= step.work
      if !step.isDone { queue(area, cpu) }
    }
    return done
  }
}

// MARK: - Areas that slept too long, or whose memory somebody needs

extension Vmalloc {
  /// Takes areas apart that slept longest, with `all` any: their frames, tables and addresses are flushed,
  /// and free as far as the flushed batch is completed.
  /// - Returns: in pages, how much work that was: at most about `limit`.
  func stripAsleep(all: Bool, limit: Int, _ cpu: borrowing CPU) -> Int {
    var done = 0
    for kind in 0..<AreaKind.count { done &+= stripAsleep(kind, all: all, limit: limit &- done, cpu) }
    return done
  }

  private func stripAsleep(_ kind: Int, all: Bool, limit: Int, _ cpu: borrowing CPU) -> Int {
    let asleep = cpu.perCPU.records(Self.caches)[1 &+ kind]
    #if Ablations
    if Ablation.stripBeforeFlush.isOn {
      asleep.value.push(allOf: &cpu.perCPU.records(Quarantine.suspended)[kind].value.open)
    }
    #endif
    return strip(limit: limit, into: &quarantine.flushedBatch(cpu).value.held, cpu) {
      asleep.value.evict(all: all)
    }
  }

  /// Strips the areas that wait for the open batch's flush, so that a drain leaves none to fall asleep.
  private func stripOpen(limit: Int, _ cpu: borrowing CPU) -> Int {
    var done = 0
    for kind in 0..<AreaKind.count {
      let open = cpu.perCPU.records(Quarantine.suspended)[kind]
      done &+= strip(limit: limit &- done, into: &quarantine.openBatch(cpu).value.held, cpu) {
        guard let (area, count) = open.value.open.pop() else { return nil }
        cpu.perCPU.records(Self.caches)[1 &+ kind].value.cancel(count)
        quarantine.cover(area.value.pages, cpu)
        return area
      }
    }
    return done
  }

  /// Takes areas apart whose entries are absent already, in groups that let go of their tables together.
  /// - Parameters:
  ///   - limit: pages of work.
  ///   - held: takes all that the areas give up.
  ///   - cpu: this CPU.
  ///   - next: the next area; nil where there is none.
  /// - Returns: in pages, how much work that was: at most about `limit`.
  @inline(__always)
  private func strip(
    limit: Int, into held: inout Holdings, _ cpu: borrowing CPU, _ next: () -> Stable<AreaDescriptor>?
  ) -> Int {
    var done = 0
    while done < limit {
      let end = min(limit, done &+ Work.reap)
      var group = AreaList()
      while done < end, let area = next() {
        let detached = detach(area.value.pages, of: area, at: area.value.lowestEntryPointer)
        done &+= detached.work &+ Work.unpin
        held.add(detached, frames.table)
        group.push(area.value.number, pool)
      }
      let isLast = done < end
      quarantine.unpin(group, cpu)
      held.areas.prepend(group, pool)
      if isLast { break }
    }
    return done
  }
}

// MARK: - On the way of an allocation

extension Vmalloc {
  /// Does an allocation's share of the work that frees have left, in proportion to what it asks for:
  /// completes what it needs, clears as much.
  /// - Returns: whether this CPU would then hold back more than it may.
  @inline(__always)
  func reapShare(_ request: Request, _ cpu: borrowing CPU) -> Bool {
    let share = Work.share &+ Int(truncatingIfNeeded: request.pages)
    quarantine.pollFlush(cpu)
    popFlushed(cpu)
    if !quarantine.flushedBatch(cpu).value.held.isEmpty {
      if request.pages > AreaCache.largest {
        quarantine.completeShare(pages: share, cpu)
      } else if !hasFrames(for: request.pages, cpu) {
        quarantine.completeFrames(limit: Work.share, pages: share, cpu)
      }
    }
    if cpu.perCPU.vmalloc.value.queued.count > 0 { _ = clearQueued(limit: share, cpu) }
    guard quarantine.isOverBound(with: request.span, cpu) else { return false }
    // What this flushes may be what is asked for.
    quarantine.seal(cpu)
    quarantine.pollFlush(cpu)
    popFlushed(cpu)
    return quarantine.isOverBound(with: request.span, cpu)
  }

  /// Whether this CPU's lists have the largest block that so many pages take.
  @inline(__always)
  private func hasFrames(for pages: UInt64, _ cpu: borrowing CPU) -> Bool {
    frames.hasBlock(order: 63 &- pages.leadingZeroBitCount, .normal, cpu)
  }

  /// For a new area: where what sleeps is of other kinds and sizes, and leaves no room for this one when it
  /// is freed, a step of that goes.
  func makeRoom(for request: Request, _ cpu: borrowing CPU) {
    guard request.kind == .owning, request.pages <= AreaCache.largest, mode != .strict,
      cpu.perCPU.asleep(.owning).value.room < request.pages
    else { return }
    let left = Work.reap &- stripAsleep(AreaKind.owning.rawValue, all: true, limit: Work.share, cpu)
    _ = quarantine.complete(limit: left, cpu)
  }

  /// What an allocation that finds this CPU over its bound adds to that: at most one step, and the next
  /// flush. The rest is left to later allocations, to purge steps, and to whoever finds memory short.
  /// - Returns: the request to wait for where this CPU is over its bound still; else zero.
  func reapStep(_ cpu: borrowing CPU) -> UInt64 {
    let left = Work.reap &- quarantine.complete(limit: Work.reap, cpu)
    _ = clearQueued(limit: left, cpu)
    quarantine.seal(cpu)
    return quarantine.isOverBound(with: 0, cpu) ? quarantine.awaited(cpu) : 0
  }
}
