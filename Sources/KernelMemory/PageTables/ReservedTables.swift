/// Frames that were reserved for page tables.
struct ReservedTables: ~Copyable, TableSource {
  private var list: FrameList
  /// How many at the front of the list are all zero already.
  private var cleared: Int
  private let table: FrameTable

  init(_ list: consuming FrameList, cleared: Int, _ table: FrameTable) {
    self.list = list
    self.cleared = cleared
    self.table = table
  }

  mutating func takeTable() -> FrameNumber {
    guard let frame = list.pop(table) else { preconditionFailure("more tables were made than reserved") }
    let number = FrameNumber(UInt64(frame))
    if cleared > 0 { cleared &-= 1 } else { table.zero(number) }
    return number
  }

  var count: Int { list.count }

  /// Gives up a reservation, or what is left of one.
  consuming func unused() -> FrameList { list }

  /// Ends a reservation that was used up.
  consuming func end() {
    list.end()
  }
}

/// A run of frames, as the leaves of a mapping: neighbours in memory for neighbours in addresses.
struct LeafRun: LeafSource {
  private var next: FrameNumber

  init(_ first: FrameNumber) { next = first }

  @inline(__always)
  mutating func nextLeaf(span: UInt64) -> FrameNumber {
    let frame = next
    next = FrameNumber(frame.rawValue &+ span)
    return frame
  }
}
