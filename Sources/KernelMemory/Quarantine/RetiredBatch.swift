/// Frames, tables, nodes and addresses on their way back. It needs no memory: its lists run through the
/// frames' metadata and the areas' descriptors. Borrowed frames never enter it.
struct Holdings: ~Copyable {
  var frames = BlockList()
  /// Quarantined tables.
  var tables = FrameList()
  /// Emptied nodes of the index of areas, which no flush concerns, but in which look-ups may still be.
  var nodes = FrameList()
  /// Areas whose addresses are to be given back.
  var areas = AreaList()

  var isEmpty: Bool { frames.count == 0 && tables.count == 0 && nodes.count == 0 && areas.count == 0 }

  /// Frames in it, of whatever use.
  var frameCount: Int { frames.count &+ tables.count &+ nodes.count }

  /// Takes in what was taken out of page tables. O(1).
  @inline(__always)
  mutating func add(_ detached: consuming Detached, _ table: FrameTable) {
    frames.prepend(detached.frames, table)
    tables.append(detached.tables, table)
  }

  /// Takes in all of another. O(1).
  mutating func append(_ other: consuming Holdings, _ table: FrameTable, _ pool: DescriptorPool) {
    frames.prepend(other.frames, table)
    tables.append(other.tables, table)
    nodes.append(other.nodes, table)
    areas.prepend(other.areas, pool)
  }
}

/// What has been freed but may still be translated. Nothing takes anything out but a `FlushedBatch`, and that
/// wants the token of a flush that began after the last of it went in.
struct RetiredBatch: ~Copyable {
  var held = Holdings()
  var ranges = FlushRanges()
  /// The newest flush that had been requested when the last entry was cleared.
  var generation: UInt64 = 0
  /// Pages whose use must wait, guards included.
  var pages: UInt64 = 0

  var isEmpty: Bool { held.isEmpty && ranges.isEmpty }

  /// Takes in all of another batch, but for its ranges, whose flush is asked for. O(1).
  mutating func append(_ batch: Stable<RetiredBatch>, _ table: FrameTable, _ pool: DescriptorPool) {
    let other = Self.take(batch)
    generation = max(generation, other.generation)
    pages &+= other.pages
    held.append(other.held, table, pool)
  }

  /// Empties a batch.
  fileprivate static func take(_ batch: Stable<RetiredBatch>) -> RetiredBatch {
    let all = unsafe batch.pointer.move()
    unsafe batch.pointer.initialize(to: RetiredBatch())
    return all
  }
}

/// What no CPU can translate any more, and is not free yet.
struct FlushedBatch: ~Copyable {
  var held = Holdings()

  /// Takes in a batch whose flush is complete. O(1).
  /// - Returns: false, with nothing done, where the flush was requested before the batch was last added to.
  mutating func append(
    _ batch: Stable<RetiredBatch>, _ token: borrowing FlushToken, _ table: FrameTable, _ pool: DescriptorPool
  ) -> Bool {
    guard token.number > batch.value.generation else { return false }
    let flushed = RetiredBatch.take(batch)
    held.append(flushed.held, table, pool)
    return true
  }
}
