internal import CMachine

// Small areas, made alone or four at a time
//
// A small area is one block of frames, and entries in one table. Whoever asks for a new one mostly asks for
// more of its kind, and most of its cost is the same for four neighbours: locks, a place, the index, a table,
// a block. So four are made together. Three of them are asleep from the start, as if they had been freed and
// flushed: their entries have never been present. They count as retained, age, and are taken apart like all
// that sleeps.

extension Vmalloc {
  /// log2 of the areas in a run.
  private static var runOrder: Int { 2 }
  /// The largest area of a run, in pages: a run then has at most as many as the largest area that sleeps.
  private static var largestOfRun: UInt64 { AreaCache.largest &>> UInt64(runOrder) }

  /// A new small area, all but published; where others of its kind have room to sleep, with three of these.
  /// - Returns: nil, with nothing done, where that takes more than one block or more than one table, or
  ///   something is short.
  func makeSmall(_ request: Request, _ cpu: borrowing CPU) -> Stable<AreaDescriptor>? {
    guard isOneBlock(request) else { return nil }
    if comesInRuns(request, cpu), let area = makeRun(Self.runOrder, request, cpu) {
      frames.clearAhead(cpu)
      return area
    }
    return makeRun(0, request, cpu)
  }

  /// Whether the frames can be one block, and the entries may be written and cleared where they are
  /// remembered to be.
  private func isOneBlock(_ request: Request) -> Bool {
    request.kind == .owning && request.pages & (request.pages &- 1) == 0
      && mayCacheEntryPointer(request.pages, request.area.traits)
  }

  private func comesInRuns(_ request: Request, _ cpu: borrowing CPU) -> Bool {
    let traits = request.area.traits
    return mode != .strict && request.pages <= Self.largestOfRun && request.area.place == nil
      && traits.alignment == 0 && request.area.bestAlignment == 0 && !traits.needsPreparing
      && cpu.perCPU.asleep(.owning).value.room >= request.pages &<< UInt64(Self.runOrder)
  }

  /// A run of 2^`runOrder` areas, all but the one that is returned asleep.
  private func makeRun(
    _ runOrder: Int, _ request: Request, _ cpu: borrowing CPU
  ) -> Stable<AreaDescriptor>? {
    let order = request.pages.trailingZeroBitCount
    let zone = request.area.traits.zone
    guard let block = frames.popBlock(order: order &+ runOrder, zone, cpu) else { return nil }
    guard let (first, entry) = reserveRun(1 &<< runOrder, request, cpu) else {
      let table = frames.table
      frames.push(block, order: order &+ runOrder, table[block].value.state.zone, table, cpu)
      return nil
    }
    let last = fillRun(1 &<< runOrder, from: first, at: entry, block, order: order, cpu)
    noteWritten(last, entries: request.pages, cpu)
    return last
  }

  /// The first of a run's areas, and where its first entry is, in a table that is pinned for each area.
  private func reserveRun(
    _ count: Int, _ request: Request, _ cpu: borrowing CPU
  ) -> (first: Stable<AreaDescriptor>, entry: UInt)? {
    var entry: UInt = 0
    let first = arenas.locked(cpu) {
      try? arenas.find(request.area.traits.arena)?.reserve(count, request.area, cpu) { pages in
        entry = pinRun(count, pages, cpu)
        return entry != 0
      }
    }
    return first.map { (pool[$0], entry) }
  }

  /// Pins the one table of a run's pages for each of its areas. Where there is none yet, a run of several has
  /// it made: they are worth the time under the arenas' lock.
  /// - Returns: where its first entry is; zero, with nothing pinned, where there are two tables, or none is
  ///   to be had.
  private func pinRun(_ count: Int, _ pages: PageRange, _ cpu: borrowing CPU) -> UInt {
    let entry = tables.locked(cpu) { tables.pinAndFindEntry(of: pages, areas: count) }
    guard entry == 0, count > 1, tables.isOfOneTable(pages) else { return entry }
    do throws(MemoryError) { try pin(pages, guess: 1, cpu) } catch { return 0 }
    return tables.locked(cpu) { tables.pinAndFindEntry(of: pages, areas: count &- 1) }
  }

  /// Fills the areas of a run, and puts all but the last one to sleep: so they are handed out from the last
  /// one on, and their frames come back as neighbours.
  /// - Returns: the last one, whose entries are present.
  private func fillRun(
    _ count: Int, from first: Stable<AreaDescriptor>, at entry: UInt, _ block: UInt32, order: Int,
    _ cpu: borrowing CPU
  ) -> Stable<AreaDescriptor> {
    let (pages, traits) = (UInt64(1) &<< UInt64(truncatingIfNeeded: order), first.value.traits)
    let attributes = MappingAttributes(traits.protection, cache: traits.cache)
    let stride = UInt(first.value.span) &* 8
    var (area, entry, block) = (first, entry, block)
    for _ in 1..<count {
      tables.fill(
        at: entry, block, order: order, area: area.value.number, attributes, traits.leaves,
        isSuspended: true)
      area.value.entryPointer = entry
      area.value.setState(.retired)
      cpu.perCPU.asleep(.owning).value.push(area, pages)
      area = pool[area.value.after]
      entry &+= stride
      block &+= UInt32(truncatingIfNeeded: pages)
    }
    tables.fill(at: entry, block, order: order, area: area.value.number, attributes, traits.leaves)
    area.value.entryPointer = entry
    return area
  }
}
