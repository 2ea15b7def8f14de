import Testing

@testable import KernelMemory

/// All that an operation which fails must leave as it was. The package's own stock of descriptors and
/// index nodes may grow by one that fails, so a frame counts the same whether it is free, on a CPU's
/// list, or stock.
struct Snapshot {
  /// How many frames are `allocated`, `mapped`, `table`, and all others, zone by zone.
  var frames: [[UInt64]] = []
  var areas: [Area] = []
  var holes: [PageRange] = []
  var usage: [TagUsage] = []
  var mappings: [MappedRange] = []
  var counters: [Counter: UInt64] = [:]

  init(of manager: MemoryManager) {
    frames = Self.countFrames(manager)
    #expect(throws: Never.self) { try manager.forEachArea { areas.append($0) } }
    manager.arenas.forEach { arena in
      var piece = arena.state.value.firstPiece
      while piece != 0 {
        let descriptor = arena.pool[piece]
        if descriptor.value.state == .hole { holes.append(descriptor.value.spanRange) }
        piece = descriptor.value.after
      }
    }
    usage = (0..<manager.tags.count).map { manager.usage(of: Tag(index: UInt16($0))) }
    manager.forEachMapping { mappings.append($0) }
    let snapshot = manager.counters
    for counter in Self.countersOfUse { counters[counter] = snapshot[counter] }
  }

  /// All but those of failures and of exchanges between a CPU's list and its zone.
  private static let countersOfUse: [Counter] = [
    .entriesWritten, .entriesCleared, .tablesMade, .tablesReturned, .leavesSplit, .flushesOfPage,
    .flushesOfRanges, .flushesOfAll, .areasAllocated, .areasFreed, .pagesAllocated, .pagesFreed,
  ]

  private static func countFrames(_ manager: MemoryManager) -> [[UInt64]] {
    var counts = [[UInt64]](repeating: [0, 0, 0, 0], count: 3)
    manager.frames.table.forEach { _, metadata in
      let state = metadata.value.state
      switch state.kind {
      case .unmanaged: break
      case .allocated, .large: counts[state.zone][0] += 1 << UInt64(state.order)
      case .mapped: counts[state.zone][1] += 1 << UInt64(state.order)
      case .slab: counts[state.zone][0] += 1
      case .table: counts[state.zone][2] += 1
      case .free, .tail, .idle, .retired, .metadata: break
      }
    }
    for (zone, kind) in [ZoneKind.dma, .dma32, .normal].enumerated() {
      counts[zone][3] = manager.usage(of: kind).managed.rawValue - counts[zone][0...2].reduce(0, +)
    }
    return counts
  }
}

extension Snapshot {
  /// The same but for the counters: what a pair of operations that undo each other leaves behind.
  func expectSameMemory(as old: Snapshot, _ location: SourceLocation = #_sourceLocation) {
    #expect(
      frames == old.frames, "frames by zone: allocated, mapped, tables, others", sourceLocation: location)
    #expect(areas == old.areas, sourceLocation: location)
    #expect(holes == old.holes, sourceLocation: location)
    #expect(usage.map(\.liveAreas) == old.usage.map(\.liveAreas), sourceLocation: location)
    #expect(usage.map(\.livePages) == old.usage.map(\.livePages), sourceLocation: location)
    // Not expanded: a listing is long.
    let sameMappings = mappings == old.mappings
    #expect(sameMappings, "the listing of mappings has changed", sourceLocation: location)
  }
}

extension TestMachine {
  func expectUnchanged(since old: Snapshot, _ location: SourceLocation = #_sourceLocation) {
    let new = Snapshot(of: manager)
    new.expectSameMemory(as: old, location)
    #expect(new.usage == old.usage, sourceLocation: location)
    #expect(new.counters == old.counters, sourceLocation: location)
  }
}
