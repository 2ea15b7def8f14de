internal import CMachine

// Mappings that a kernel makes by hand: its image, a device's registers, a window. Their frames are borrowed:
// unmapping frees none. Ranges that an arena manages are refused, and pages of the linear map;
// and frames that no caller owns.

extension MemoryManager {
  /// Maps a run of pages to a run of frames, with the largest leaves that alignment allows. The frames are a
  /// device's, memory of kind `.kept`, or the caller's, who does not free them while they are mapped.
  /// O(tables + leaves + frames).
  ///
  /// Where a window on all memory has a hole, a device may be mapped at the place that its frames have there;
  /// that is then a part of the window, and `unmapMemory` unmaps it.
  /// - Throws: `sizeIsZero`, `alreadyMapped`, `placeBusy`, `placeTaken` inside a managed range,
  ///   `memoryWindow` for another place in the linear map or in another window on all memory, `notCanonical`,
  ///   `frameOutOfReach`, `frameUnavailable`, `cacheTypeUnavailable`, `tablesExhausted`, `wouldWait`,
  ///   `wrongContext`, with nothing mapped.
  public func map(
    _ pages: PageRange, to frame: FrameNumber, _ attributes: MappingAttributes
  ) throws(MemoryError) {
    try check(pages)
    try check(pages, frame, attributes.cache)
    if attributes.cache != .writeBack { cleanMemory(FrameRange(unchecked: frame, count: pages.count)) }
    try retrying { (cpu) throws(MemoryError) in try map(pages, frame, attributes, cpu) }
  }

  /// The checks of what is mapped that need no lock.
  private func check(_ pages: PageRange, _ frame: FrameNumber, _ cache: CacheType) throws(MemoryError) {
    try counting { () throws(MemoryError) in
      try tables.checkType(cache)
      try tables.checkReach(frame, pages.count)
    }
    if let page = windows.firstPage(in: pages, notFor: frame) {
      throw failed(.memoryWindow(page.address(pageSize)))
    }
    try checkMappable(FrameRange(unchecked: frame, count: pages.count))
    #if Ablations
    guard !arenas.overlaps(pages) else { throw failed(.placeTaken(pages.first.address(pageSize))) }
    #endif
  }

  /// That the range is nobody's and that nothing is there is decided under both locks, and the leaves are
  /// written under them: two that map the same, or one beside `makeAreas`, do not both succeed.
  private func map(
    _ pages: PageRange, _ frame: FrameNumber, _ attributes: MappingAttributes, _ cpu: borrowing CPU
  ) throws(MemoryError) {
    try tables.reserving(from: frames, cpu) { (source) throws(MemoryError) in
      try arenas.locked(cpu) { () throws(MemoryError) in
        guard !overlapsAreas(pages) else { throw .placeTaken(pages.first.address(pageSize)) }
        return try tables.locked(cpu) { () throws(MemoryError) in
          let missing = try tables.tablesMissing(for: pages, frame: frame, checkingLeaves: true)
          guard missing <= source.count else { return missing }
          var leaves = LeafRun(frame)
          let linked = tables.pin(pages, frame: frame, from: &source)
          cpu.count(.tablesMade, linked.made)
          cpu.count(.entriesWritten, tables.write(pages, frame: frame, attributes, from: &leaves))
          machine.synchronizeMapping(pages, pageSize, madeTables: linked.isAny)
          return 0
        }
      }
    }
    cmachine_step(cmachine_step_entries_written)
  }

  private func overlapsAreas(_ pages: PageRange) -> Bool {
    #if Ablations
    if Ablation.mapLooksEarly.isOn { return false }
    #endif
    return arenas.overlaps(pages)
  }

  /// Unmaps a run of pages; what is not mapped is passed over. A large leaf that sticks out is split first.
  /// When this returns, no CPU translates through the pages: it waits for that, with interrupts on. O(tables
  /// + pages).
  /// - Throws: `sizeIsZero`, `notCanonical`, `placeTaken` inside a managed range, `memoryWindow` for pages of
  ///   the linear map or of another window on all memory (`unmapMemory`), `breakBeforeMake`,
  ///   `tablesExhausted`, `wrongContext` with interrupts off on a machine with several CPUs; with nothing
  ///   unmapped.
  public func unmap(_ pages: PageRange) throws(MemoryError) {
    try check(pages)
    if let page = windows.firstPage(in: pages) { throw failed(.memoryWindow(page.address(pageSize))) }
    try unmapAny(pages)
  }

  /// Unmaps pages without asking whether they are a window's.
  func unmapAny(_ pages: PageRange) throws(MemoryError) {
    guard cpus.count == 1 || cpus.mayWait else { throw failed(.wrongContext) }
    cleanUncached(pages)
    var underWay = try beginUnmap(pages)
    while underWay == nil {
      waitATurn()
      underWay = try beginUnmap(pages)
    }
    guard let underWay else { return }
    wait(for: underWay.request)
    let tablesRequest = try cpus.enter { (cpu) throws(MemoryError) in
      quarantine.endUnmap(pages, underWay, cpu)
      return vmalloc.mode == .strict ? quarantine.flushOpen(cpu) : 0
    }
    if tablesRequest != 0 { finishFlush(tablesRequest) }
  }

  /// - Returns: nil, with nothing unmapped, where another unmap must end first.
  private func beginUnmap(_ pages: PageRange) throws(MemoryError) -> Quarantine.Unmap? {
    try retrying { (cpu) throws(MemoryError) in
      var slot: Int?
      var hasSplit = false
      try tables.reserving(from: frames, cpu) { (source) throws(MemoryError) in
        // Decided as by `map`: no range has come to have the pages when their leaves are split and
        // quarantined.
        try arenas.locked(cpu) { () throws(MemoryError) in
          guard !arenas.overlaps(pages) else { throw .placeTaken(pages.first.address(pageSize)) }
          return try tables.locked(cpu) { () throws(MemoryError) in
            let needed = try tables.tablesToSplit(pages)
            guard needed <= source.count else { return needed }
            let split = tables.split(pages, from: &source)
            hasSplit = split > 0
            cpu.count(.leavesSplit, split)
            cpu.count(.tablesMade, split)
            slot = quarantine.quarantineLeaves(pages, cpu)
            return 0
          }
        }
      }
      guard let slot else { return nil }
      return quarantine.beginUnmap(pages, at: slot, hasSplit: hasSplit, cpu)
    }
  }

  /// The checks that need no lock.
  private func check(_ pages: PageRange) throws(MemoryError) {
    guard !pages.isEmpty else { throw failed(.sizeIsZero) }
    guard tables.isCanonical(pages) else { throw failed(.notCanonical(pages.first.address(pageSize))) }
  }
}
