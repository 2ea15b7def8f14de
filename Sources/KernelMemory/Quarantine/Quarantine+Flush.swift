internal import CMachine

// Sealing batches, and completing them.

extension Quarantine {
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
    if cpu.perCPU.quarantine.value.awaited == 0 { _ = requestFlush(cpu) }
  }

  /// Asks for the flush of the open batch, which joins the sealed one.
  /// - Returns: the request that the sealed batch waits for; zero where there is nothing to flush.
  private func requestFlush(_ cpu: borrowing CPU) -> UInt64 {
    let (own, open, sealed) = (cpu.perCPU.quarantine, openBatch(cpu), sealedBatch(cpu))
    guard !open.value.isEmpty else { return own.value.awaited }
    let ranges = open.value.ranges
    // The newer request is complete no earlier than that of what is there.
    sealed.value.append(open, frames.table, pool)
    for kind in 0..<AreaKind.count { cpu.perCPU.records(Self.suspended)[kind].value.seal() }
    own.value.awaited = shootdown.request(ranges, cpu)
    own.value.awaitedPages = sealed.value.pages
    return own.value.awaited
  }

  /// Takes the sealed batch for flushed, if its flush is complete. O(1).
  func pollFlush(_ cpu: borrowing CPU) {
    let own = cpu.perCPU.quarantine
    guard own.value.awaited != 0, let token = shootdown.token(for: own.value.awaited) else { return }
    guard flushedBatch(cpu).value.append(sealedBatch(cpu), token, frames.table, pool) else {
      shootdown.fail("a batch was completed by a flush that was requested before it was sealed")
    }
    for kind in 0..<AreaKind.count { cpu.perCPU.records(Self.suspended)[kind].value.flush() }
    own.value.awaited = 0
    own.value.awaitedPages = 0
    lowerLimit(cpu)
    cpu.count(.batchesCompleted)
  }

  /// The request that this CPU's sealed batch waits for; zero where it has none.
  func awaited(_ cpu: borrowing CPU) -> UInt64 { cpu.perCPU.quarantine.value.awaited }
}

// MARK: - Completing

extension Quarantine {
  /// Frees what is flushed.
  /// - Parameters:
  ///   - limit: pages of work.
  ///   - cpu: this CPU.
  /// - Returns: how much work that was.
  @discardableResult
  func complete(limit: Int, _ cpu: borrowing CPU) -> Int {
    pollFlush(cpu)
    let batch = flushedBatch(cpu)
    guard !batch.value.held.isEmpty else { return 0 }
    var left = limit
    let blocks = Work.share(of: left, Work.frame)
    left &-= Work.frame &* frames.free(&batch.value.held.frames, limit: blocks, cpu)
    let tables = Work.share(of: left, Work.table)
    left &-= Work.table &* free(&batch.value.held.tables, limit: tables, cpu)
    let nodes = Work.share(of: left, Work.node)
    left &-= Work.node &* frames.free(nodes: &batch.value.held.nodes, limit: nodes, cpu)
    cmachine_step(cmachine_step_frames_freed)
    left &-= release(&batch.value.held.areas, limit: left, cpu)
    return limit &- left
  }

  /// Frees flushed frames, up to `limit` blocks or `pages` frames.
  func completeFrames(limit: Int, pages: Int, _ cpu: borrowing CPU) {
    _ = frames.free(&flushedBatch(cpu).value.held.frames, limit: limit, frames: pages, cpu)
    cmachine_step(cmachine_step_frames_freed)
  }

  /// Frees about `pages` flushed frames, and as many addresses.
  func completeShare(pages: Int, _ cpu: borrowing CPU) {
    let batch = flushedBatch(cpu)
    completeFrames(limit: .max, pages: pages, cpu)
    _ = free(&batch.value.held.tables, limit: 1, cpu)
    _ = frames.free(nodes: &batch.value.held.nodes, limit: 1, cpu)
    _ = release(&batch.value.held.areas, limit: 2 &* Work.release(UInt64(pages)), cpu)
  }

  /// Frees flushed tables that were not revived.
  /// - Returns: how many.
  func free(_ list: inout FrameList, limit: Int, _ cpu: borrowing CPU) -> Int {
    guard list.count > 0, limit > 0 else { return 0 }
    var taken = tables.locked(cpu) {
      tables.reapTables(&list, limit: limit, emptied: &cpu.perCPU.quarantine.value.emptied)
    }
    let count = frames.free(tables: &taken, limit: .max, cpu)
    taken.end()
    cpu.count(.tablesReturned, count)
    return count
  }

  /// Gives flushed addresses back to their arenas.
  /// - Returns: in pages, how much work that was.
  func release(_ list: inout AreaList, limit: Int, _ cpu: borrowing CPU) -> Int {
    guard list.count > 0, limit > 0 else { return 0 }
    var done = 0
    arenas.locked(cpu) {
      while done < limit, let area = list.pop(pool) {
        done &+= Work.release(pool[area].value.span)
        giveBack(area, cpu)
      }
    }
    cmachine_step(cmachine_step_range_freed)
    return done
  }
}
