/// Frames that were reserved for page tables, all zero.
struct ReservedTables: ~Copyable, TableSource {
  private var list: FrameList
  private let table: FrameTable

  init(_ list: consuming FrameList, _ table: FrameTable) {
    self.list = list
    self.table = table
  }

  mutating func takeTable() -> FrameNumber {
    guard let frame = list.pop(table) else { preconditionFailure("more tables were made than reserved") }
    return FrameNumber(UInt64(frame))
  }

  var count: Int { list.count }

  /// Gives up a reservation, or what is left of one.
  consuming func unused() -> FrameList { list }
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
