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
  private let options: JobOptions

  init(on manager: MemoryManager, tables: JobTables, _ options: JobOptions) {
    self.options = options
    self.manager = manager
    self.tables = tables
    callers = Callers(manager)
    totals = ReplayTotals(usedFrames: manager.usedFrames.rawValue)
  }

  /// Frees the area that the recording has at this address.
  mutating func free(
    recorded: UInt64, line: UInt64, on machine: inout some JobMachine
  ) throws(ReplayStop) {
    guard let slot = tables.areas.find(recorded) else { return }
    try free(tables.areas[slot], line: line, on: &machine)
    tables.areas.remove(at: slot)
  }

  /// Checks what is live at the end of a lap, and frees it unless it is kept.
  mutating func settle(
    keepingAreas: Bool, line: UInt64, on machine: inout some JobMachine
  ) throws(ReplayStop) {
    for slot in 0..<tables.areas.slotCount where tables.areas[slot].key != 0 {
      if keepingAreas {
        if isTouched { verifier.check(tables.areas[slot], line: line, on: &machine) }
      } else {
        try free(tables.areas[slot], line: line, on: &machine)
      }
    }
    if !keepingAreas { tables.areas.removeAll() }
  }

  private var isTouched: Bool { options.verification != .nothing }

  mutating func allocate(
    _ allocation: TraceAllocation, line: UInt64, on machine: inout some JobMachine
  ) throws(ReplayStop) {
    var area = LiveArea(
      recorded: allocation.address, byteCount: allocation.byteCount, line: line,
      guardPages: options.guardPages, pageSize: manager.pageSize)
    let range = ranges.index(of: allocation.range, in: manager)
    area.task = callers.slot(of: allocation.task, in: &tables.tasks)
    area.size = sizeSlot(area.askedBytes)
    area.ordinal = totals.areasAllocated
    area.address = try vmalloc(area, alignment: allocation.alignment, in: range)
    _ = tables.areas.insert(area)
    totals.allocate(
      area, usedFrames: manager.usedFrames.rawValue,
      unflushed: manager.retained.unflushed.rawValue * manager.pageSize.bytes)
    ranges.count(area.byteCount, in: range)
    tables.tasks[area.task].tally.allocate(area.askedBytes)
    tables.sizes[area.size].tally.allocate(area.askedBytes)
    checkPlace(of: area, alignment: allocation.alignment, in: range)
    checkLookup(of: area)
    guard isTouched else { return }
    verifier.fill(area, line: line, on: &machine)
    verifier.touchGuard(area, line: line, on: &machine)
  }

  private func vmalloc(
    _ area: LiveArea, alignment: UInt64, in range: Int
  ) throws(ReplayStop) -> UInt64 {
    var asked = VmallocOptions()
    asked.alignment = alignment
    asked.guardPages = UInt16(area.guardPages)
    asked.tag = tables.tasks[area.task].tag
    asked.areas = ranges[range]?.areas
    asked.leaves = options.leaves
    do {
      let pointer = try unsafe manager.vmalloc(Int(clamping: area.askedBytes), asked)
      return unsafe VirtualAddress(pointer).rawValue
    } catch {
      throw ReplayStop(error: error, line: area.line, byteCount: area.askedBytes)
    }
  }

  private mutating func free(
    _ area: LiveArea, line: UInt64, on machine: inout some JobMachine
  ) throws(ReplayStop) {
    if isTouched { verifier.check(area, line: line, on: &machine) }
    do {
      try unsafe manager.vfree(VirtualAddress(area.address).pointer)
      if let bound = options.bound, manager.retained.unflushed.rawValue * manager.pageSize.bytes > bound {
        try manager.flushRetired()
      }
    } catch {
      throw ReplayStop(error: error, line: line, byteCount: 0)
    }
    totals.free(area)
    tables.tasks[area.task].tally.free(area.askedBytes)
    tables.sizes[area.size].tally.free(area.askedBytes)
    guard options.verification == .everything else { return }
    verifier.touchFreed(area, line: line, on: &machine)
    checkGone(area, line: line)
  }

  private mutating func sizeSlot(_ byteCount: UInt64) -> Int {
    tables.sizes.find(byteCount) ?? tables.sizes.insert(SizeEntry(key: byteCount)) ?? 0
  }
}
