// The ranges of addresses that areas are handed out of.

extension MemoryManager {
  /// The range that `vmalloc` uses when its options name none: the one given at start.
  public var vmallocAreas: ArenaID { ArenaID(index: 0) }

  /// Starts managing another range of addresses, which has no page of the linear map or another window on all
  /// memory. The tables directly below the root are made for all of it at once, and stay. There may be 255
  /// ranges at a time, that of `vmalloc` included; a look-up of an address goes through them in the order of
  /// their numbers.
  /// - Throws: `areasUnavailable`, `notCanonical`, `alreadyMapped` where something is mapped in it,
  ///   `tablesExhausted`, `metadataExhausted`, `wouldWait`, `wrongContext`, with nothing changed.
  public func makeAreas(_ range: PageRange) throws(MemoryError) -> ArenaID {
    guard tables.isCanonical(range) else {
      throw failed(.notCanonical(range.first.address(pageSize)))
    }
    return try retrying { (cpu) throws(MemoryError) in try makeAreas(range, cpu) }
  }

  /// That nothing is mapped there, and that nothing will be by hand, is decided under both locks: `map` takes
  /// them, too.
  private func makeAreas(_ range: PageRange, _ cpu: borrowing CPU) throws(MemoryError) -> ArenaID {
    var made: ArenaID?
    try tables.reserving(from: frames, cpu) { (source) throws(MemoryError) in
      try arenas.locked(cpu) { () throws(MemoryError) in
        try tables.locked(cpu) { () throws(MemoryError) in
          guard arenas.canAdd(range) else { throw .areasUnavailable }
          let missing = tables.tablesBelowRootMissing(for: range)
          guard missing <= source.count else { return missing }
          if let page = tables.firstMapped(in: range) { throw .alreadyMapped(page.address(pageSize)) }
          guard windows.firstPage(in: range) == nil else { throw .areasUnavailable }
          made = try arenas.add(range, cpu)
          cpu.count(.tablesMade, tables.makeTablesBelowRoot(for: range, from: &source))
          return 0
        }
      }
    }
    machine.synchronizeMapping(range, pageSize, madeTables: true)
    guard let made else { throw .areasUnavailable }
    return made
  }

  /// Gives a range back in which nobody has an area: what the index and the range's records took is free
  /// again, and the addresses may be managed anew, or mapped by hand. Areas that were freed and wait for a
  /// flush, or for the next request of their kind, are completed first, on all CPUs; so are frees that an NMI
  /// has left. The tables directly below the root stay.
  ///
  /// Waits for the other CPUs, with interrupts on, and only where no area is live. Legal beside allocations:
  /// one that names the range succeeds, and this is refused, or the other way round. From then on the number
  /// names no range; it is given to another one when all 255 have been, and then an old handle names
  /// that one.
  /// - Throws: `areasInUse` with the first area that somebody has; `areasUnavailable` where there is no such
  ///   range, and for `vmallocAreas`, which stays; `wrongContext` with interrupts off on a machine with
  ///   several CPUs, and in an NMI; with nothing changed. O(areas).
  public func removeAreas(_ id: ArenaID) throws(MemoryError) {
    guard cpus.count == 1 || cpus.mayWait else { throw .wrongContext }
    try checkRemovable(id)
    let leaving = try drainAndWithdraw(id)
    waitForAll(leaving.request)
    try cpus.enter { cpu in arenas.locked(cpu) { arenas.end(leaving.arena, cpu) } }
  }

  /// What is hopeless asks no other CPU for anything.
  private func checkRemovable(_ id: ArenaID) throws(MemoryError) {
    try cpus.enter { (cpu) throws(MemoryError) in
      vmalloc.freeDropped(cpu)
      guard id != vmallocAreas, arenas.find(id) != nil else { throw .areasUnavailable }
    }
    if let area = firstHeld(in: id) { throw .areasInUse(area) }
  }

  private func drainAndWithdraw(_ id: ArenaID) throws(MemoryError) -> (arena: Arena, request: UInt64) {
    if let leaving = try withdraw(id) { return leaving }
    if drainAllCPUs(mayWait: true), let leaving = try withdraw(id) { return leaving }
    throw .areasInUse(firstHeld(in: id) ?? VirtualAddress(0))
  }

  private func firstHeld(in id: ArenaID) -> VirtualAddress? {
    var page = PageNumber(0)
    return nextArea(of: id, from: &page, where: { $0.isHeld }).map {
      PageNumber(arenas.pool[$0].value.first).address(pageSize)
    }
  }

  /// Takes a range out, and asks every CPU to be outside the package once.
  /// - Returns: nil where an area is on its way back.
  private func withdraw(_ id: ArenaID) throws(MemoryError) -> (arena: Arena, request: UInt64)? {
    try cpus.enter { (cpu) throws(MemoryError) in
      let arena = try arenas.locked(cpu) { () throws(MemoryError) in try arenas.withdraw(id) }
      guard let arena else { return nil }
      return (arena, quarantine.shootdown.askAll(cpu))
    }
  }
}

extension PageRange {
  /// Whether these pages, none of which is taken, would hold so many, aligned to 2^`alignment`.
  func canEverHold(_ span: UInt64, alignment: Int) -> Bool {
    let mask = (UInt64(1) &<< UInt64(truncatingIfNeeded: alignment)) &- 1
    let (padded, overflow) = first.rawValue.addingReportingOverflow(mask)
    let start = padded & ~mask
    return !overflow && start < end.rawValue && span <= end.rawValue &- start
  }
}
