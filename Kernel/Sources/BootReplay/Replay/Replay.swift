// The replay
//
// Each alloc_vmap_area of the recording becomes a vmalloc of its bytes less the guard page, with its
// alignment, in the range that stands for its own; each free_vmap_area_noflush is the vfree of the area that
// the recording had at that address, or of nothing where that was allocated before the recording began. Where
// our manager puts an area is its own affair: recorded addresses are names. A recorded purge is the recorded
// kernel's way to give ranges back, and ours has its own.
//
// A lap is the recording from its first event to its last. What is live at its end is checked; then, but
// for the last lap, freed, so that every lap begins with nothing.

internal import KernelMemory

/// The manager refused what the recording needs: the replay ends there.
struct ReplayStop: Error {
  let error: MemoryError
  let line: UInt64
  /// The bytes that were asked for, or zero for a free.
  let byteCount: UInt64
}

struct Replay {
  let manager: MemoryManager
  var tables: JobTables
  var callers: Callers
  var ranges = RangeTable()
  var verifier = Verifier()
  var totals: ReplayTotals

  init(on manager: MemoryManager, tables: JobTables) {
    self.manager = manager
    self.tables = tables
    callers = Callers(manager)
    totals = ReplayTotals(usedFrames: manager.usedFrames.rawValue)
  }

  /// Replays the recording once. It has been counted and paired: nothing in it is malformed.
  mutating func runLap(
    of trace: TraceText, isLast: Bool, on machine: inout some JobMachine
  ) throws(ReplayStop) {
    var reader = TraceReader(trace)
    while let event = try? reader.next() {
      switch event {
      case .allocation(let allocation) where !allocation.failed:
        try allocate(allocation, line: reader.line, on: &machine)
      case .free(let address):
        guard let slot = tables.areas.find(address) else { break }
        try free(tables.areas[slot], line: reader.line, on: &machine)
        tables.areas.remove(at: slot)
      case .allocation, .purge, .other: break
      }
    }
    try settle(keepingAreas: isLast, line: reader.line, on: &machine)
  }

  private mutating func settle(
    keepingAreas: Bool, line: UInt64, on machine: inout some JobMachine
  ) throws(ReplayStop) {
    for slot in 0..<tables.areas.slotCount where tables.areas[slot].key != 0 {
      if keepingAreas {
        verifier.check(tables.areas[slot], line: line, on: &machine)
      } else {
        try free(tables.areas[slot], line: line, on: &machine)
      }
    }
    if !keepingAreas { tables.areas.removeAll() }
  }

  private mutating func allocate(
    _ allocation: TraceAllocation, line: UInt64, on machine: inout some JobMachine
  ) throws(ReplayStop) {
    var area = LiveArea(recorded: allocation.address, byteCount: allocation.byteCount, line: line)
    let range = ranges.index(of: allocation.range, in: manager)
    area.task = callers.slot(of: allocation.task, in: &tables.tasks)
    area.size = sizeSlot(area.mappedBytes)
    area.ordinal = totals.areasAllocated
    area.address = try vmalloc(area, alignment: allocation.alignment, in: range)
    _ = tables.areas.insert(area)
    totals.allocate(area, usedFrames: manager.usedFrames.rawValue)
    ranges.count(area.byteCount, in: range)
    tables.tasks[area.task].tally.allocate(area.mappedBytes)
    tables.sizes[area.size].tally.allocate(area.mappedBytes)
    checkPlace(of: area, alignment: allocation.alignment, in: range)
    checkLookup(of: area)
    verifier.fill(area, line: line, on: &machine)
    verifier.touchGuard(area, line: line, on: &machine)
  }

  private func vmalloc(
    _ area: LiveArea, alignment: UInt64, in range: Int
  ) throws(ReplayStop) -> UInt64 {
    var options = VmallocOptions()
    options.alignment = alignment
    options.guardPages = UInt16(area.guardPages)
    options.tag = tables.tasks[area.task].tag
    options.areas = ranges[range]?.areas
    do {
      let pointer = try unsafe manager.vmalloc(Int(clamping: area.mappedBytes), options)
      return unsafe VirtualAddress(pointer).rawValue
    } catch {
      throw ReplayStop(error: error, line: area.line, byteCount: area.mappedBytes)
    }
  }

  private mutating func free(
    _ area: LiveArea, line: UInt64, on machine: inout some JobMachine
  ) throws(ReplayStop) {
    verifier.check(area, line: line, on: &machine)
    do {
      try unsafe manager.vfree(VirtualAddress(area.address).pointer)
    } catch {
      throw ReplayStop(error: error, line: line, byteCount: 0)
    }
    totals.free(area)
    tables.tasks[area.task].tally.free(area.mappedBytes)
    tables.sizes[area.size].tally.free(area.mappedBytes)
    verifier.touchFreed(area, line: line, on: &machine)
    checkGone(area, line: line)
  }

  private mutating func sizeSlot(_ byteCount: UInt64) -> Int {
    tables.sizes.find(byteCount) ?? tables.sizes.insert(SizeEntry(key: byteCount)) ?? 0
  }
}
