internal import CMachine

// Mappings that a kernel makes by hand: its image, a device's registers, a window. Their frames are
// borrowed: unmapping frees none. Ranges that an instance of `Areas` manages are refused.

extension MemoryManager {
  /// Maps a run of pages to a run of frames, with the largest leaves that alignment allows. O(tables +
  /// leaves).
  /// - Throws: `sizeIsZero`, `alreadyMapped`, `placeTaken` inside a managed range, `notCanonical`,
  ///   `frameOutOfReach`, `tablesExhausted`, with nothing mapped.
  public func map(
    _ pages: PageRange, to frame: FrameNumber, _ attributes: MappingAttributes
  ) throws(MemoryError) {
    try checkUnmanaged(pages)
    do throws(MemoryError) { try tables.checkReach(frame, pages.count) } catch { throw failed(error) }
    try retrying { (cpu) throws(MemoryError) in
      var leaves = LeafRun(frame)
      try pin(pages, frame: frame, cpu)
      write(pages, frame: frame, attributes, from: &leaves, cpu)
    }
    announce(pages)
  }

  /// Unmaps a run of pages; what is not mapped is passed over. A large leaf that sticks out is split
  /// first. When this returns, no CPU translates through the pages. O(tables + pages).
  ///
  /// A part of the linear map can be unmapped, too: its frames must not be the manager's to hand out.
  /// - Throws: `placeTaken` inside a managed range, `breakBeforeMake`, `tablesExhausted`, `wrongContext` with
  ///   interrupts off on a machine with several CPUs; with nothing unmapped.
  public func unmap(_ pages: PageRange) throws(MemoryError) {
    try checkUnmanaged(pages)
    guard cpus.count == 1 || cpus.mayWait else { throw failed(.wrongContext) }
    try retrying { (cpu) throws(MemoryError) in
      try split(pages, cpu)
      reclaim.unmap(pages, cpu)
    }
    finishFlush()
  }

  /// Has all that this CPU has retired flushed and completed, where it may wait for that.
  func finishFlush() {
    guard cpus.count == 1 || cpus.mayWait else { return }
    while true {
      guard let awaited = cpus.with({ cpu in reclaim.settle(cpu) }) else { return }
      reclaim.shootdown.wait(for: awaited)
    }
  }

  private func split(_ pages: PageRange, _ cpu: borrowing CPU) throws(MemoryError) {
    while true {
      var source = try reserveTables(try tables.tablesToSplit(pages), cpu)
      let reserved = source.count
      // Between the count and the lock another CPU may have changed the tables.
      let split: Int?
      do throws(MemoryError) {
        split = try tables.locked(cpu) { () throws(MemoryError) -> Int? in
          try tables.tablesToSplit(pages) <= reserved ? tables.split(pages, from: &source) : nil
        }
      } catch {
        frames.free(source.unused(), cpu)
        throw error
      }
      frames.free(source.unused(), cpu)
      guard let split else { continue }
      cpu.count(.leavesSplit, split)
      cpu.count(.tablesMade, split)
      return
    }
  }

  /// Puts the tables for `pages` in place and pins them: for leaves to the frames from `frame` on, or, with
  /// nil, for an area, the first `large` pages of which are to have large leaves wherever no table is. Where it fails
  /// nothing is changed.
  /// - Throws: `alreadyMapped`, `placeTaken`, `tablesExhausted`.
  func pin(
    _ pages: PageRange, frame: FrameNumber?, large: PageCount = .zero, _ cpu: borrowing CPU
  ) throws(MemoryError) {
    let isByHand = frame != nil
    while true {
      let missing = try tables.tablesMissing(
        for: pages, frame: frame, large: large, checkingLeaves: isByHand)
      var source = try reserveTables(missing, cpu)
      // Between the count and the lock another CPU may have taken away a table that was there.
      let made: Int?
      do throws(MemoryError) {
        made = try tables.locked(cpu) { () throws(MemoryError) -> Int? in
          guard
            try tables.tablesMissing(for: pages, frame: frame, large: large, checkingLeaves: isByHand)
              <= missing
          else { return nil }
          return tables.pin(pages, frame: frame, large: large, eachLeaf: isByHand, from: &source)
        }
      } catch {
        frames.free(source.unused(), cpu)
        throw error
      }
      frames.free(source.unused(), cpu)
      guard let made else { continue }
      cpu.count(.tablesMade, made)
      return
    }
  }

  /// Writes leaves where tables are pinned for them.
  @inline(__always)
  func write(
    _ pages: PageRange, frame: FrameNumber?, _ attributes: MappingAttributes,
    from leaves: inout some LeafSource & ~Copyable, _ cpu: borrowing CPU
  ) {
    cpu.count(.entriesWritten, tables.write(pages, frame: frame, attributes, from: &leaves))
    cmachine_step(cmachine_step_entries_written)
  }

  private func checkUnmanaged(_ pages: PageRange) throws(MemoryError) {
    let address = pages.first.address(pageSize)
    guard !pages.isEmpty else { throw failed(.sizeIsZero) }
    guard tables.isCanonical(pages) else { throw failed(.notCanonical(address)) }
    guard !areas.overlaps(pages) else { throw failed(.placeTaken(address)) }
  }

  /// Makes new entries visible to every CPU's walker.
  func announce(_ pages: PageRange) {
    let machine = control.value.machine
    guard let afterMap = unsafe machine.value.afterMap else { return }
    let range = cmachine_range(
      start: UInt(pages.first.address(pageSize).rawValue), end: UInt(pages.end.address(pageSize).rawValue))
    unsafe afterMap(machine.value.context, range)
  }
}
