internal import CMachine

// Areas made four at a time
//
// Who asks for a small area that is not there mostly asks for more of its kind. What costs is the way to a
// new one: locks, a place, the index, a table, a block of frames; for four neighbours all of that is gone
// through once. The other three fall asleep at once, as if they had been freed and flushed: their entries
// have never been present. So they count as retained, age, and are taken apart like all that sleeps.

extension Vmalloc {
  /// log2 of the areas in a run.
  private static var runOrder: Int { 2 }
  /// The largest area of a run, in pages: a run then has at most as many as the largest area that sleeps.
  private static var largestOfRun: UInt64 { AreaCache.largest &>> 2 }

  /// A new small area, all but published, and three that sleep.
  /// - Returns: nil, with nothing done, where the request is for another kind of area, there is no room for
  ///   three to sleep, or more than one block and its entries would have to be found.
  func makeRun(_ request: Request, _ cpu: borrowing CPU) throws(MemoryError) -> Stable<AreaDescriptor>? {
    guard comesInRuns(request, cpu) else { return nil }
    let order = request.pages.trailingZeroBitCount
    let runOrder = order &+ Self.runOrder
    guard let block = frames.popOrRefill(order: runOrder, request.area.traits.zone, cpu) else { return nil }
    do throws(MemoryError) {
      if let run = try reserveRun(request, cpu) {
        return fillRun(pool[run.first], run.entry, block, order: order, cpu)
      }
    } catch {
      giveBack(block, order: runOrder, cpu)
      throw error
    }
    giveBack(block, order: runOrder, cpu)
    return nil
  }

  private func giveBack(_ block: UInt32, order: Int, _ cpu: borrowing CPU) {
    let table = frames.table
    frames.push(block, order: order, table[block].value.state.zone, table, cpu)
  }

  private func comesInRuns(_ request: Request, _ cpu: borrowing CPU) -> Bool {
    let traits = request.area.traits
    return mode != .strict && request.kind == .owning && request.pages <= Self.largestOfRun
      && request.pages & (request.pages &- 1) == 0 && request.area.place == nil && traits.alignment == 0
      && !traits.needsPreparing && request.span <= 2 &* AreaCache.largest
      && cpu.perCPU.asleep(.owning).value.room >= request.pages &<< UInt64(Self.runOrder)
  }

  /// The number of a run's first area, and where its first entry is, in a table that is pinned for each area.
  private func reserveRun(
    _ request: Request, _ cpu: borrowing CPU
  ) throws(MemoryError) -> (first: UInt32, entry: UInt)? {
    var entry: UInt = 0
    let first = try arenas.locked(cpu) { () throws(MemoryError) in
      try arenas.find(request.area.traits.arena)?.reserveRun(1 &<< Self.runOrder, request.area, cpu) {
        pages in
        entry = pinRun(pages, cpu)
        return entry != 0
      }
    }
    return first.map { ($0, entry) }
  }

  /// Pins the one table of a run's pages for each of its areas, and puts it in place before.
  /// - Returns: where its first entry is; zero, with nothing pinned, where there are two tables, or none is
  ///   to be had.
  private func pinRun(_ pages: PageRange, _ cpu: borrowing CPU) -> UInt {
    let areas = 1 &<< Self.runOrder
    let entry = tables.locked(cpu) { tables.pinAndFindEntry(of: pages, areas: areas) }
    guard entry == 0, tables.isOfOneTable(pages) else { return entry }
    do throws(MemoryError) { try pin(pages, guess: 1, cpu) } catch { return 0 }
    return tables.locked(cpu) { tables.pinAndFindEntry(of: pages, areas: areas &- 1) }
  }

  /// Fills the areas of a run, the first one with entries that are present.
  private func fillRun(
    _ first: Stable<AreaDescriptor>, _ entry: UInt, _ block: UInt32, order: Int, _ cpu: borrowing CPU
  ) -> Stable<AreaDescriptor> {
    let (pages, traits) = (UInt64(1) &<< UInt64(truncatingIfNeeded: order), first.value.traits)
    let attributes = MappingAttributes(traits.protection, cache: traits.cache)
    tables.fill(at: entry, block, order: order, area: first.value.number, attributes)
    first.value.entryPointer = entry
    var (area, at, frame) = (first, entry, block)
    for _ in 1..<(1 &<< Self.runOrder) {
      at &+= UInt(area.value.span) &* 8
      frame &+= UInt32(truncatingIfNeeded: pages)
      area = pool[area.value.after]
      let number = area.value.number
      tables.fill(at: at, frame, order: order, area: number, attributes, isSuspended: true)
      area.value.entryPointer = at
      area.value.setState(.retired)
      cpu.perCPU.asleep(.owning).value.push(area, pages)
    }
    noteWritten(first, entries: pages, cpu)
    frames.clearAhead(cpu)
    return first
  }
}
