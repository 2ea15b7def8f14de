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

/// Frames straight from a CPU's list, which holds as many as will be asked for, as the leaves of an area.
struct CachedLeaves: LeafSource {
  private let cache: Stable<FrameCache>
  private let table: FrameTable
  private let area: UInt32
  private var page: UInt32 = 0

  init(_ cache: Stable<FrameCache>, area: UInt32, _ table: FrameTable) {
    self.cache = cache
    self.area = area
    self.table = table
  }

  @inline(__always)
  mutating func nextLeaf(span: UInt64) -> FrameNumber {
    let frame = cache.value.pop(table)
    table[frame].value.map(area: area, page: page)
    page &+= 1
    return FrameNumber(UInt64(frame))
  }
}

/// The frames of a list, as the leaves of an area: each frame's metadata says which page of which area
/// maps it.
struct LeafList: ~Copyable, LeafSource {
  private var list: FrameList
  private let table: FrameTable
  private let area: UInt32
  private var page: UInt32 = 0

  init(_ list: consuming FrameList, area: UInt32, _ table: FrameTable) {
    self.list = list
    self.area = area
    self.table = table
  }

  @inline(__always)
  mutating func nextLeaf(span: UInt64) -> FrameNumber {
    guard let frame = list.pop(table) else { preconditionFailure("more pages were mapped than reserved") }
    table[frame].value.map(area: area, page: page)
    page &+= 1
    return FrameNumber(UInt64(frame))
  }

  /// Gives up frames that were not mapped.
  consuming func unused() -> FrameList { list }

  /// Ends a list that was used up.
  consuming func end() {
    list.end()
  }
}
