internal import CMachine

// Closing batches, and completing them.

extension Reclaim {
  /// Strict mode: asks for the flush of all that is retired here, and completes it where no other CPU has to
  /// flush for that.
  func flushOpen(_ cpu: borrowing CPU) {
    complete(limit: .max, keeping: false, cpu)
    prune(limit: .max, cpu)
    close(cpu)
    complete(limit: .max, keeping: false, cpu)
  }

  /// A step towards the flush and completion of all that is retired on this CPU.
  /// - Returns: the request to wait for before the next step; zero when nothing is left.
  func settle(_ cpu: borrowing CPU) -> UInt64 {
    complete(limit: Self.budget, keeping: true, cpu)
    if mode == .strict { prune(limit: .max, cpu) }
    close(cpu)
    complete(limit: Self.budget, keeping: true, cpu)
    return slot(cpu).value.awaited
  }

  /// Asks for the flush of the open batch, unless an earlier one is not completed.
  func close(_ cpu: borrowing CPU) {
    let slot = slot(cpu)
    let open = openBatch(cpu)
    let closed = closedBatch(cpu)
    guard slot.value.awaited == 0, !open.value.isEmpty else { return }
    let none = unsafe closed.pointer.move()
    none.end()
    unsafe closed.pointer.initialize(to: open.pointer.move())
    unsafe open.pointer.initialize(to: RetiredBatch())
    slot.value.awaited = shootdown.request(closed.value.ranges, cpu)
    slot.value.awaitedPages = closed.value.pages
  }

  /// Frees what is in the closed batch, if its flush is complete.
  /// - Parameters:
  ///   - limit: pages of work.
  ///   - keeping: whether small areas may go into the cool cache.
  ///   - cpu: this CPU.
  /// - Returns: how much work that was.
  @discardableResult
  func complete(limit: Int, keeping: Bool, _ cpu: borrowing CPU) -> Int {
    withClosed(cpu) { batch in
      var left = limit
      left &-= Self.frameCost &* frames.free(&batch.frames, limit: Self.share(of: left, Self.frameCost), cpu)
      left &-= Self.tableCost &* free(&batch.tables, limit: Self.share(of: left, Self.tableCost), cpu)
      cmachine_step(cmachine_step_frames_freed)
      left &-= sort(&batch, limit: left, keeping: keeping, cpu)
      left &-= release(&batch.areas, limit: left, cpu)
      return limit &- left
    }
  }

  /// Frees frames of the closed batch, up to `limit` blocks or `pages` frames, if its flush is complete.
  func completeFrames(limit: Int, pages: Int, _ cpu: borrowing CPU) {
    withClosed(cpu) { batch in
      let count = frames.free(&batch.frames, limit: limit, frames: pages, cpu)
      cmachine_step(cmachine_step_frames_freed)
      return count
    }
  }

  /// Frees about `pages` frames of the closed batch, and as many addresses, if its flush is complete.
  func completeShare(pages: Int, _ cpu: borrowing CPU) {
    withClosed(cpu) { batch in
      let count = frames.free(&batch.frames, frames: pages, cpu)
      cmachine_step(cmachine_step_frames_freed)
      _ = free(&batch.tables, limit: 1, cpu)
      _ = sort(&batch, limit: 1, keeping: true, cpu)
      return count &+ release(&batch.areas, limit: 2 &* Self.releaseCost(UInt64(pages)), cpu)
    }
  }

  /// Puts up to `limit` areas of the closed batch into the cool cache, if its flush is complete.
  func completeAreas(limit: Int, _ cpu: borrowing CPU) {
    withClosed(cpu) { batch in
      sort(&batch, limit: limit, keeping: true, cpu)
    }
  }

  /// Runs `body` on the closed batch, if its flush is complete, and ends the batch when nothing is left in it.
  @discardableResult
  private func withClosed(
    _ cpu: borrowing CPU, _ body: (inout RetiredBatch) -> Int
  ) -> Int {
    let slot = slot(cpu)
    guard isFlushed(cpu) else { return 0 }
    let count = body(&closedBatch(cpu).value)
    if closedBatch(cpu).value.isFreed {
      closedBatch(cpu).value.ranges = FlushRanges()
      closedBatch(cpu).value.pages = 0
      slot.value.awaited = 0
      slot.value.isFlushed = false
      cpu.count(.batchesCompleted)
    }
    return count
  }

  /// Whether there is a closed batch, and its flush complete: a token shows it once.
  func isFlushed(_ cpu: borrowing CPU) -> Bool {
    let slot = slot(cpu)
    if slot.value.isFlushed { return true }
    guard slot.value.awaited != 0, let token = shootdown.token(for: slot.value.awaited) else { return false }
    check(closedBatch(cpu).value, token)
    slot.value.isFlushed = true
    slot.value.awaitedPages = 0
    return true
  }

  private func check(_ batch: borrowing RetiredBatch, _ token: borrowing FlushToken) {
    if token.number <= batch.generation {
      shootdown.fail("a batch was completed by a flush that was requested before it was closed")
    }
  }

  func free(_ list: inout FrameList, limit: Int, _ cpu: borrowing CPU) -> Int {
    guard list.count > 0, limit > 0 else { return 0 }
    var taken = tables.locked(cpu) {
      tables.takeAway(&list, limit: limit, emptied: &slot(cpu).value.emptied)
    }
    let count = frames.free(tables: &taken, limit: .max, cpu)
    taken.end()
    cpu.count(.tablesReturned, count)
    return count
  }

  /// Moves small areas of a batch into the cool cache, or, where it is full, to those whose
  /// addresses are given back.
  /// - Returns: in pages, how much work that was: at most about `limit`.
  func sort(
    _ batch: inout RetiredBatch, limit: Int, keeping: Bool, _ cpu: borrowing CPU
  ) -> Int {
    let slot = slot(cpu)
    var done = 0
    while done < limit, let area = batch.smallAreas.pop(pool) {
      let descriptor = pool[area]
      let pages = descriptor.value.pageCount
      if keeping && pages <= slot.value.cool.room {
        descriptor.value.setState(.kept)
        slot.value.cool.keep(descriptor, pages)
      } else {
        unpin(area, cpu)
        batch.areas.push(area, pool)
        done &+= Self.unpinCost
      }
      done &+= 1
    }
    return done
  }

  /// - Returns: in pages, how much work that was.
  func release(_ list: inout AreaList, limit: Int, _ cpu: borrowing CPU) -> Int {
    guard list.count > 0, limit > 0 else { return 0 }
    var done = 0
    areas.locked(cpu) {
      while done < limit, let area = list.pop(pool) {
        done &+= Self.releaseCost(pool[area].value.span)
        areas[pool[area].value.traits.instance].release(area)
      }
    }
    cmachine_step(cmachine_step_range_freed)
    return done
  }

  /// Puts up to `limit` emptied tables to rest, in the open batch.
  /// - Returns: how many.
  @discardableResult
  func prune(limit: Int, _ cpu: borrowing CPU) -> Int {
    let slot = slot(cpu)
    guard slot.value.emptied.count > 0 else { return 0 }
    let batch = openBatch(cpu)
    let detached = tables.locked(cpu) {
      tables.prune(&slot.value.emptied, limit: limit) { page in
        batch.value.ranges.add(page, frames.table.pageSize, threshold: shootdown.threshold)
      }
    }
    let count = detached.tables.count
    add(detached, PageRange(unchecked: PageNumber(0), count: .zero), cpu)
    return count
  }
}
