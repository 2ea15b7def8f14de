internal import CMachine

// Closing batches, and completing them.

extension Reclaim {
  /// Strict mode: asks for the flush of all that is retired here, and completes it where no other CPU has to
  /// flush for that.
  /// - Returns: the request after which nothing of it can be reached.
  func flushOpen(_ cpu: borrowing CPU) -> UInt64 {
    complete(limit: .max, cpu)
    detachEmptyTables(limit: .max, cpu)
    let request = requestFlush(cpu)
    complete(limit: .max, cpu)
    return request
  }

  /// Asks for the flush of the open batch, unless that of an earlier one is not complete.
  func seal(_ cpu: borrowing CPU) {
    pollFlush(cpu)
    if slot(cpu).value.awaited == 0 { _ = requestFlush(cpu) }
  }

  /// Asks for the flush of the open batch, which joins the closed one.
  /// - Returns: the request that the closed batch waits for; zero where there is nothing to flush.
  private func requestFlush(_ cpu: borrowing CPU) -> UInt64 {
    let slot = slot(cpu)
    let open = openBatch(cpu)
    guard !open.value.isEmpty else { return slot.value.awaited }
    let closed = closedBatch(cpu)
    let ranges = open.value.ranges
    // The newer request is complete no earlier than that of what is there.
    closed.value.add(open, frames.table, pool)
    slot.forEachKind { $0.close() }
    slot.value.awaited = shootdown.request(ranges, cpu)
    slot.value.awaitedPages = closed.value.pages
    return slot.value.awaited
  }

  /// Takes the closed batch for flushed, if its flush is complete. O(1).
  func pollFlush(_ cpu: borrowing CPU) {
    let slot = slot(cpu)
    guard slot.value.awaited != 0, let token = shootdown.token(for: slot.value.awaited) else { return }
    let closed = closedBatch(cpu)
    guard flushedBatch(cpu).value.take(closed, token, frames.table, pool) else {
      shootdown.fail("a batch was completed by a flush that was requested before it was closed")
    }
    slot.forEachKind { $0.fallAsleep() }
    slot.value.awaited = 0
    slot.value.awaitedPages = 0
    lowerLimit(cpu)
    cpu.count(.batchesCompleted)
  }

  /// Frees what is flushed.
  /// - Parameters:
  ///   - limit: pages of work.
  ///   - cpu: this CPU.
  /// - Returns: how much work that was.
  @discardableResult
  func complete(limit: Int, _ cpu: borrowing CPU) -> Int {
    pollFlush(cpu)
    let batch = flushedBatch(cpu)
    guard !batch.value.isEmpty else { return 0 }
    var left = limit
    left &-=
      Self.frameCost
      &* frames.free(
        &batch.value.frames, limit: Self.share(of: left, Self.frameCost), cpu)
    left &-= Self.tableCost &* free(&batch.value.tables, limit: Self.share(of: left, Self.tableCost), cpu)
    left &-=
      Self.nodeCost
      &* frames.free(nodes: &batch.value.nodes, limit: Self.share(of: left, Self.nodeCost), cpu)
    cmachine_step(cmachine_step_frames_freed)
    left &-= release(&batch.value.areas, limit: left, cpu)
    return limit &- left
  }

  /// Frees flushed frames, up to `limit` blocks or `pages` frames.
  func completeFrames(limit: Int, pages: Int, _ cpu: borrowing CPU) {
    _ = frames.free(&flushedBatch(cpu).value.frames, limit: limit, frames: pages, cpu)
    cmachine_step(cmachine_step_frames_freed)
  }

  /// Frees about `pages` flushed frames, and as many addresses.
  func completeShare(pages: Int, _ cpu: borrowing CPU) {
    let batch = flushedBatch(cpu)
    _ = frames.free(&batch.value.frames, frames: pages, cpu)
    cmachine_step(cmachine_step_frames_freed)
    _ = free(&batch.value.tables, limit: 1, cpu)
    _ = frames.free(nodes: &batch.value.nodes, limit: 1, cpu)
    _ = release(&batch.value.areas, limit: 2 &* Self.releaseCost(UInt64(pages)), cpu)
  }

  func free(_ list: inout FrameList, limit: Int, _ cpu: borrowing CPU) -> Int {
    guard list.count > 0, limit > 0 else { return 0 }
    var taken = tables.locked(cpu) {
      tables.reapTables(&list, limit: limit, emptied: &slot(cpu).value.emptied)
    }
    let count = frames.free(tables: &taken, limit: .max, cpu)
    taken.end()
    cpu.count(.tablesReturned, count)
    return count
  }

  /// - Returns: in pages, how much work that was.
  func release(_ list: inout AreaList, limit: Int, _ cpu: borrowing CPU) -> Int {
    guard list.count > 0, limit > 0 else { return 0 }
    var done = 0
    arenas.locked(cpu) {
      while done < limit, let area = list.pop(pool) {
        done &+= Self.releaseCost(pool[area].value.span)
        giveBack(area, cpu)
      }
    }
    cmachine_step(cmachine_step_range_freed)
    return done
  }

  /// Gives an area's addresses back, and retires the index nodes that this empties. Under the lock of the
  /// areas. O(1).
  func giveBack(_ area: UInt32, _ cpu: borrowing CPU) {
    let range = arenas[pool[area].value.traits.arena]
    range.release(area)
    while let node = range.index.takeSurplus() { retire(node: node, cpu) }
  }

  /// Puts an emptied node of an index into the open batch. O(1).
  private func retire(node: UInt32, _ cpu: borrowing CPU) {
    #if Ablations
    if Ablation.returnIndexNodeDirectly.isOn { return frames.freeMetadata(node, cpu) }
    #endif
    let batch = openBatch(cpu)
    batch.value.nodes.push(node, frames.table)
    batch.value.generation = shootdown.newest
  }

  /// Quarantines up to `limit` emptied tables, and adds them to the open batch.
  /// - Returns: how many.
  @discardableResult
  func detachEmptyTables(limit: Int, _ cpu: borrowing CPU) -> Int {
    let slot = slot(cpu)
    guard slot.value.emptied.count > 0 else { return 0 }
    let batch = openBatch(cpu)
    let detached = tables.locked(cpu) {
      tables.detachEmptyTables(&slot.value.emptied, limit: limit) { page in
        batch.value.ranges.add(page, frames.table.pageSize, threshold: shootdown.threshold)
      }
    }
    let count = detached.tables.count
    add(detached, PageRange(unchecked: PageNumber(0), count: .zero), cpu)
    return count
  }
}
