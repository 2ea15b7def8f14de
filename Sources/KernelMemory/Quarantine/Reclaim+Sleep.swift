// Areas that slept too long, or whose memory somebody needs.

extension Reclaim {
  /// Takes areas apart that slept longest, with `all` any: their frames, tables and addresses are flushed,
  /// and free as far as the flushed batch is completed.
  /// - Returns: in pages, how much work that was: at most about `limit`.
  func stripAsleep(all: Bool, limit: Int, _ cpu: borrowing CPU) -> Int {
    var done = 0
    slot(cpu).forEachKind { done &+= stripAsleep(&$0, all: all, limit: limit &- done, cpu) }
    return done
  }

  /// For a new area: where what sleeps is of other kinds and sizes, and leaves no room for this one when it
  /// is freed, a step of that goes.
  func makeRoom(for pages: UInt64, _ cpu: borrowing CPU) {
    let slot = slot(cpu)
    guard pages <= AreaCache.largest, mode != .strict, slot.value.owning.asleep.room < pages else { return }
    let left = Self.reapBudget &- stripAsleep(&slot.value.owning, all: true, limit: Self.share, cpu)
    _ = complete(limit: left, cpu)
  }

  private func stripAsleep(
    _ sleepers: inout Sleepers, all: Bool, limit: Int, _ cpu: borrowing CPU
  ) -> Int {
    #if Ablations
    if Ablation.stripBeforeFlush.isOn { sleepers.asleep.keep(allOf: &sleepers.open) }
    #endif
    let batch = flushedBatch(cpu)
    var done = 0
    while done < limit, let area = sleepers.asleep.evict(all: all) {
      let detached = strip(area, cpu)
      done &+= detached.work &+ Self.unpinCost
      batch.value.frames.prepend(detached.frames, frames.table)
      batch.value.tables.append(detached.tables, frames.table)
      batch.value.areas.push(area.value.number, pool)
    }
    return done
  }

  /// Strips the areas that wait for the open batch's flush, so that a drain leaves none to fall asleep.
  func stripOpen(limit: Int, _ cpu: borrowing CPU) -> Int {
    var done = 0
    slot(cpu).forEachKind { done &+= stripOpen(&$0, limit: limit &- done, cpu) }
    return done
  }

  private func stripOpen(_ sleepers: inout Sleepers, limit: Int, _ cpu: borrowing CPU) -> Int {
    let batch = openBatch(cpu)
    var done = 0
    while done < limit, let (area, count) = sleepers.open.pop() {
      sleepers.asleep.cancel(count)
      let detached = strip(area, cpu)
      done &+= detached.work &+ Self.unpinCost
      add(detached, area.value.pages, cpu)
      batch.value.areas.push(area.value.number, pool)
    }
    return done
  }

  /// Clears the entries of an area that are absent already, and lets go of its tables.
  private func strip(_ area: Stable<AreaDescriptor>, _ cpu: borrowing CPU) -> Detached {
    let detached = tables.detach(area.value.pages)
    if area.value.traits.cache != .writeBack { clean(detached.frames) }
    unpin(area.value.number, cpu)
    return detached
  }
}

extension Stable<Reclaim.PerCPU> {
  /// What sleeps here, of each kind.
  func forEachKind(_ body: (inout Sleepers) -> Void) {
    body(&value.owning)
    body(&value.large)
    body(&value.borrowing)
  }
}
