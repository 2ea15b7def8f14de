internal import CMachine

// What comes into the open batch.

extension Quarantine {
  /// Puts what an unmap of `pages` has detached into the open batch.
  @inline(__always)
  func add(_ detached: consuming Detached, _ pages: PageRange, _ cpu: borrowing CPU) {
    let batch = openBatch(cpu)
    batch.value.held.add(detached, frames.table)
    cover(pages, cpu)
    #if Ablations
    if Ablation.freeFramesBeforeFlush.isOn { frames.free(&batch.value.held.frames, limit: .max, cpu) }
    if Ablation.freeTableBeforeFlush.isOn { _ = free(&batch.value.held.tables, limit: .max, cpu) }
    #endif
  }

  /// Has the flush of the open batch cover `pages`, which have been cleared.
  @inline(__always)
  func cover(_ pages: PageRange, _ cpu: borrowing CPU) {
    let batch = openBatch(cpu)
    batch.value.ranges.add(pages, frames.table.pageSize, threshold: shootdown.threshold)
    batch.value.generation = shootdown.newest
  }

  /// Puts the addresses of an area that is cleared, and pins no table any more, into the open batch.
  func retireAddresses(_ area: Stable<AreaDescriptor>, _ cpu: borrowing CPU) {
    let batch = openBatch(cpu)
    batch.value.pages &+= area.value.span
    batch.value.held.areas.push(area.value.number, pool)
    #if Ablations
    if Ablation.recycleRangeBeforeFlush.isOn { _ = release(&batch.value.held.areas, limit: .max, cpu) }
    #endif
  }

  /// Lets go of the tables of pages of an area, which are cleared.
  /// - Parameters:
  ///   - pages: whose.
  ///   - area: its descriptor.
  ///   - progress: what it notes then; nil for nothing.
  ///   - isAll: whether it pins no table any more.
  ///   - cpu: this CPU.
  @inline(__always)
  func unpin(
    _ pages: PageRange, of area: Stable<AreaDescriptor>, progress: UInt64? = nil, isAll: Bool,
    _ cpu: borrowing CPU
  ) {
    tables.locked(cpu) {
      tables.unpin(pages, emptied: &cpu.perCPU.quarantine.value.emptied)
      if let progress { area.value.progress = progress }
      if isAll { area.value.setState(.unpinned) }
    }
  }

  /// Lets go of the tables of areas that are cleared. O(areas + their tables).
  func unpin(_ areas: borrowing AreaList, _ cpu: borrowing CPU) {
    guard areas.count > 0 else { return }
    tables.locked(cpu) {
      areas.forEach(pool) { number in
        let area = pool[number]
        tables.unpin(
          area.value.pages, at: area.value.lowestEntryPointer,
          emptied: &cpu.perCPU.quarantine.value.emptied)
        area.value.setState(.unpinned)
      }
    }
  }

  /// Gives an area's addresses back, and retires the index nodes that this empties. Under the lock of the
  /// areas. O(1).
  func giveBack(_ area: UInt32, _ cpu: borrowing CPU) {
    let arena = arenas[pool[area].value.traits.arena]
    arena.release(area)
    while let node = arena.index.takeSurplus() { retire(node: node, cpu) }
  }

  /// Puts an emptied node of an index into the open batch. O(1).
  private func retire(node: UInt32, _ cpu: borrowing CPU) {
    #if Ablations
    if Ablation.returnIndexNodeDirectly.isOn { return frames.freeMetadata(node, cpu) }
    #endif
    let batch = openBatch(cpu)
    batch.value.held.nodes.push(node, frames.table)
    batch.value.generation = shootdown.newest
  }

  /// Quarantines up to `limit` emptied tables, and adds them to the open batch.
  /// - Returns: how many.
  @discardableResult
  func detachEmptyTables(limit: Int, _ cpu: borrowing CPU) -> Int {
    let own = cpu.perCPU.quarantine
    guard own.value.emptied.count > 0 else { return 0 }
    let batch = openBatch(cpu)
    let detached = tables.locked(cpu) {
      tables.detachEmptyTables(&own.value.emptied, limit: limit) { page in cover(tableOf: page, batch) }
    }
    let count = detached.tables.count
    add(detached, PageRange(unchecked: PageNumber(0), count: .zero), cpu)
    return count
  }

  /// Has the flush of a batch cover a table that has led to this page.
  @inline(__always)
  private func cover(tableOf page: PageNumber, _ batch: Stable<RetiredBatch>) {
    if shootdown.rangesSpareTables { return batch.value.ranges.addEverything() }
    batch.value.ranges.add(page, frames.table.pageSize, threshold: shootdown.threshold)
  }
}

// MARK: - Areas that keep all that they have

extension Quarantine {
  /// Whether an area of `span` pages and `count` entries can be suspended by `push`: within the bound, behind
  /// others of its kind, and with no range to be added to the flush.
  @inline(__always)
  func canPush(_ span: UInt64, _ count: UInt64, _ kind: AreaKind, _ cpu: borrowing CPU) -> Bool {
    let (own, batch) = (cpu.perCPU.quarantine, openBatch(cpu))
    return batch.value.ranges.isEverything
      && batch.value.pages &+ own.value.queuedPages &+ span <= own.value.limit
      && cpu.perCPU.suspended(kind).value.open.has(count)
  }

  /// Puts an area whose `count` entries were made absent behind the flush of the open batch.
  @inline(__always)
  func push(_ area: Stable<AreaDescriptor>, _ count: UInt64, _ kind: AreaKind, _ cpu: borrowing CPU) {
    cmachine_step(cmachine_step_entries_cleared)
    let batch = openBatch(cpu)
    cpu.count(.entriesCleared, Int(truncatingIfNeeded: count))
    batch.value.pages &+= area.value.span
    batch.value.generation = shootdown.newest
    cpu.perCPU.suspended(kind).value.open.push(area, count)
  }

  /// Pushes an area that may be the first of its count, and adds its pages to the flush.
  @inline(never)
  func pushCovering(
    _ area: Stable<AreaDescriptor>, _ count: UInt64, _ kind: AreaKind, _ cpu: borrowing CPU
  ) {
    let open = cpu.perCPU.suspended(kind)
    if !open.value.open.has(count) { open.value.open.begin(area, count) }
    push(area, count, kind, cpu)
    cover(area.value.pages, cpu)
  }
}

// MARK: - Slabs

// What frames of slabs wait for is not that translations are gone, since no page table leads to them, but
// that CPUs have passed which were at work in the slab (Slab.swift). They go into the open batch all the
// same: a flush is passed outside the package alone, so it proves both. Where nothing else asks for one, a
// batch of slabs has one requested that flushes nothing.

extension Quarantine {
  /// Frames in the open batch from which on an emptied slab has the batch sealed: a request, and an interrupt
  /// for every CPU, for 256 KiB with 4 KiB frames.
  static let slabFrames = 64

  /// Puts the frames of a slab, none of whose objects is out, into the open batch. O(1).
  func retire(slab block: UInt32, order: Int, _ cpu: borrowing CPU) {
    let metadata = frames.table[block]
    metadata.value.setState(FrameState(.retired, order: order, zone: metadata.value.state.zone))
    let batch = openBatch(cpu)
    batch.value.held.frames.append(block, order: order, frames.table)
    batch.value.generation = shootdown.newest
  }

  /// Has a batch with many slabs sealed, and frees a share of what is flushed, with no lock held. Never
  /// waits.
  func sealSlabs(_ cpu: borrowing CPU) {
    guard openBatch(cpu).value.held.frames.count >= Self.slabFrames else { return }
    seal(cpu)
    completeFrames(limit: Work.share, pages: Self.slabFrames, cpu)
  }
}
