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
      let missing = try tables.tablesMissing(for: pages, frame: frame, checkingLeaves: true)
      var source = try reserveTables(missing, cpu)
      cpu.count(.tablesMade, tables.pin(pages, frame: frame, from: &source))
      source.end()
      var leaves = LeafRun(frame)
      cpu.count(.entriesWritten, tables.write(pages, frame: frame, attributes, from: &leaves))
    }
    announce(pages)
  }

  /// Unmaps a run of pages; what is not mapped is passed over. A large leaf that sticks out is split
  /// first. When this returns, no CPU translates through the pages. O(tables + pages).
  /// - Throws: `placeTaken` inside a managed range, `breakBeforeMake`, `tablesExhausted`, with nothing
  ///   unmapped.
  public func unmap(_ pages: PageRange) throws(MemoryError) {
    try checkUnmanaged(pages)
    try retrying { (cpu) throws(MemoryError) in
      var source = try reserveTables(try tables.tablesToSplit(pages), cpu)
      let split = tables.split(pages, from: &source)
      source.end()
      cpu.count(.leavesSplit, split)
      cpu.count(.tablesMade, split)
      let detached = tables.clear(pages, owned: false, prune: true)
      cpu.count(.entriesCleared, detached.entriesCleared)
      reclaim.retire(detached, pages, area: nil, cpu)
      reclaim.drain(cpu)
    }
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
