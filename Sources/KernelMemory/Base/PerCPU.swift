// Per-CPU records
//
// What a room has for each CPU lies behind that CPU's block, in a record of the room's own. Where it lies is
// known when this is compiled: behind the records of the room above, on cache lines of its own. So a record
// is no load away, and the block knows none of the rooms: each says where its records are, and the last one
// where they end.

/// The rooms' records of one CPU: an address, which a room goes on from.
struct PerCPU {}

/// Where a room has records of one kind. In cleared memory a record is empty.
struct PerCPUPlace<Element: ~Copyable> {
  /// Bytes from the beginning of a CPU's block.
  let offset: UInt
  /// Records that lie behind each other.
  let count: Int

  /// - Parameter end: where the records of the room above end.
  @inline(__always)
  init(behind end: UInt, count: Int = 1) {
    offset = (end &+ 63) & ~63
    self.count = count
  }

  @inline(__always)
  var end: UInt { offset &+ UInt(count &* MemoryLayout<Element>.stride) }
}

extension Stable<PerCPU> {
  /// The first of a room's records.
  @inline(__always)
  func records<Record: ~Copyable>(_ place: PerCPUPlace<Record>) -> Stable<Record> {
    Stable<Record>(bitPattern: address &+ place.offset)
  }
}

/// Where the rooms take their memory from at start.
protocol Carver: ~Copyable {
  /// Cleared memory for `count` elements, for good, at a multiple of the page size.
  /// - Throws: `earlyMemoryExhausted`.
  mutating func carve<Element: ~Copyable>(_ count: Int) throws(MemoryError) -> Stable<Element>
}
