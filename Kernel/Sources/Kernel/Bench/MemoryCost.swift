import BareMetal
import KernelMemory

// What is kept for a live area besides its pages: the manager's own counters, before and after many areas of
// one size are made. They know the frames that were taken for descriptors and the index, holes' descriptors
// included, and the tables. Descriptors are used again, whatever the range, and an index belongs to its
// range: so areas that are made once more, in a range that is new, take an index alone, and what the first
// ones took beyond that are descriptors.
//
// The records of frames are made at start, for all of RAM, with all others of that time: a page's share is
// what was in use when the bench began.

/// Writes the bytes that a live area takes besides its pages.
struct MemoryCost {
  private let manager: MemoryManager
  /// Bytes in use at the start for each frame of RAM, in hundredths.
  private let startBytes: UInt64

  /// To be made before anything else is allocated.
  init(on manager: MemoryManager) {
    self.manager = manager
    startBytes = rounding(manager.usedFrames.rawValue * 4096 * 100, over: manager.managedFrames)
  }

  /// - Returns: whether every table came back.
  func measure() throws(MemoryError) -> Bool {
    Row("memory_start", "_per_frame").write(hundredths: startBytes)
    let (low, high) = AddressSpace.growthHalves
    let (singlePages, manyPages) = (try manager.makeAreas(low), try manager.makeAreas(high))
    let tables = manager.tablesInUse
    let first = try cost(of: 100_000, pages: 1, in: manager.vmallocAreas)
    let single = try cost(of: 100_000, pages: 1, in: singlePages)
    // An area has one descriptor, whatever its size.
    let descriptor = first.metadata - single.metadata
    write("memory_area_1", single, pages: 1, descriptor: descriptor)
    let many = try cost(of: 5_000, pages: 64, in: manyPages)
    write("memory_area_64", many, pages: 64, descriptor: descriptor)
    try measureAddresses()
    let left = manager.tablesInUse - tables
    Row("memory_tables", "_left").write(left)
    return left == 0
  }

  /// Bytes an area, in hundredths.
  private struct Cost {
    let metadata: UInt64
    let tables: UInt64
  }

  /// What areas take while they are live; they are freed afterwards.
  private func cost(of count: Int, pages: Int, in areas: ArenaID) throws(MemoryError) -> Cost {
    var options = VmallocOptions()
    options.areas = areas
    let live = try AddressArray(count: count, on: manager)
    let metadata = manager.counters[.metadataFramesTaken]
    let tables = manager.tablesInUse
    for index in 0..<count { try live.allocate(index, byteCount: pages << 12, options) }
    let cost = Cost(
      metadata: perArea(manager.counters[.metadataFramesTaken] - metadata, count),
      tables: perArea(manager.tablesInUse - tables, count))
    try live.freeAll()
    try live.end()
    try manager.flushRetired()
    return cost
  }

  private func perArea(_ frames: UInt64, _ count: Int) -> UInt64 {
    rounding(frames * 4096 * 100, over: UInt64(count))
  }

  private func write(_ name: StaticString, _ cost: Cost, pages: UInt64, descriptor: UInt64) {
    Row(name, "_descriptor").write(hundredths: descriptor)
    Row(name, "_index").write(hundredths: cost.metadata)
    Row(name, "_tables").write(hundredths: cost.tables)
    Row(name, "_frames").write(hundredths: startBytes * pages)
    Row(name, "_all").write(hundredths: descriptor + cost.metadata + cost.tables + startBytes * pages)
  }

  /// From the first page of a million areas to the end of the last one's guard, for each.
  private func measureAddresses() throws(MemoryError) {
    let count = 1_000_000
    let live = try AddressArray(count: count, on: manager)
    for index in 0..<count { try live.allocate(index, byteCount: 4096) }
    var lowest = UInt64.max
    var highest: UInt64 = 0
    try manager.forEachArea { area in
      guard area.pages.count.rawValue == 1 else { return }
      lowest = min(lowest, area.pages.first.rawValue)
      highest = max(highest, area.guardRange.end.rawValue)
    }
    Row("memory_area_1", "_addresses").write(hundredths: perArea(highest - lowest, count))
    try live.freeAll()
    try live.end()
    try manager.flushRetired()
  }
}
