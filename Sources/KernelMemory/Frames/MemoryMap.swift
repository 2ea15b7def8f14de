// The firmware's memory map
//
// Firmware hands over a list of address ranges with a kind each, in any order, with edges inside a page, with
// overlaps, and with holes that no entry names. Three rules make one answer of it:
//
//   - a byte is RAM to hand out only where some entry calls it usable and none calls it anything else;
//   - a page frame counts only where all its bytes do, so ranges are cut inward to whole frames, after
//     neighbours were joined (two usable entries may meet inside a page);
//   - what no entry names does not exist.
//
// What is added is joined with the rows of its kind that it touches, so a map has as many rows as there are
// separate ranges, however finely firmware cut them. How many that can be is the caller's to say: the rows
// lie in memory of its own (servers have more than 300 rows, most of them scattered). They are sorted by
// their first byte, so that a question about the map is one walk through it.

/// What the firmware and the boot code say about physical memory: a handle to rows in memory of the caller's.
/// Copies are the same map.
@safe
public struct MemoryMap {
  /// What a region of the map is.
  public enum Kind: UInt8, Sendable {
    /// RAM that nobody uses.
    case usable
    /// RAM that is in use at boot (the kernel image, an initial RAM disk): part of the linear map,
    /// never handed out.
    case kept
    /// Not to be touched: neither mapped nor handed out.
    case reserved
  }

  /// A range of one kind. No two rows of a kind touch.
  struct Row {
    var kind: Kind
    var start: UInt64
    /// One past the last byte, saturated at the top of the address space.
    var end: UInt64
  }

  struct Header {
    var count: Int
    let capacity: Int
  }

  /// Nil where the memory that was given does not even hold this.
  private let header: Stable<Header>?

  /// The bytes that a map of `rows` rows takes: 24 each, and a header. Zero or less is taken for none.
  public static func byteCount(rows: Int) -> Int {
    let size = max(0, rows).multipliedReportingOverflow(by: MemoryLayout<Row>.stride)
    let sum = size.partialValue.addingReportingOverflow(MemoryLayout<Header>.stride &+ alignment)
    return size.overflow || sum.overflow ? .max : sum.partialValue
  }

  private static var alignment: Int { MemoryLayout<Row>.alignment }

  /// An empty map in `storage`, whose contents do not matter. It is reached at the same address until a
  /// manager has started: before the kernel's own tables are loaded and after.
  /// - Parameter storage: `byteCount(rows:)` bytes for as many rows as the map is to hold; 8 KiB hold more
  ///   than firmware is known to have. Memory that is too short holds fewer, or none.
  @unsafe
  public init(in storage: UnsafeMutableRawBufferPointer) {
    let first = UInt(bitPattern: storage.baseAddress)
    let start = (first &+ UInt(Self.alignment) &- 1) & ~(UInt(Self.alignment) &- 1)
    let bytes = storage.count &- Int(bitPattern: start &- first)
    guard first != 0, bytes >= MemoryLayout<Header>.stride else {
      header = nil
      return
    }
    let rows = (bytes &- MemoryLayout<Header>.stride) / MemoryLayout<Row>.stride
    let header = Stable<Header>(bitPattern: start)
    unsafe header.pointer.initialize(to: Header(count: 0, capacity: rows))
    self.header = header
  }

  /// How many rows fit.
  public var capacity: Int { header?.value.capacity ?? 0 }
  /// How many rows there are: ranges of one kind that do not touch.
  public var count: Int { header?.value.count ?? 0 }

  private func row(_ index: Int) -> Stable<Row> {
    let rows = (header?.address ?? 0) &+ UInt(MemoryLayout<Header>.stride)
    return Stable<Row>(bitPattern: rows)[index]
  }
}

// MARK: - Adding

extension MemoryMap {
  /// Adds what the firmware says of `byteCount` bytes from `start`. Ranges may come in any order and overlap;
  /// empty ones are ignored, and one that runs past the top of the address space ends there. O(rows).
  /// - Throws: `memoryMapFull`, with nothing changed, where the range touches no row of its kind and all rows
  ///   are taken.
  public func add(
    _ kind: Kind, at start: PhysicalAddress, byteCount: UInt64
  ) throws(MemoryError) {
    guard byteCount > 0 else { return }
    var new = Row(
      kind: kind, start: start.rawValue, end: start.advanced(by: byteCount)?.rawValue ?? .max)
    // One that joins nothing takes a row, so the question comes before anything is changed.
    guard count < capacity || touchesRow(new) else { throw .memoryMapFull(limit: capacity) }
    takeTouching(&new)
    insert(new)
  }

  private func touches(_ row: Row, _ other: Row) -> Bool {
    row.kind == other.kind && row.start <= other.end && other.start <= row.end
  }

  private func touchesRow(_ new: Row) -> Bool {
    for index in 0..<count where touches(row(index).value, new) { return true }
    return false
  }

  /// Takes the rows that touch `new` out, and lets it cover them. Rows of a kind do not touch each other, so
  /// it touches no further one by growing.
  private func takeTouching(_ new: inout Row) {
    var remaining = 0
    var joined = new
    for index in 0..<count {
      let row = row(index).value
      if touches(row, new) {
        joined.start = min(joined.start, row.start)
        joined.end = max(joined.end, row.end)
      } else {
        self.row(remaining).value = row
        remaining &+= 1
      }
    }
    header?.value.count = remaining
    new = joined
  }

  /// Keeps the rows in the order of their first bytes.
  private func insert(_ new: Row) {
    var place = count
    while place > 0, row(place &- 1).value.start > new.start {
      row(place).value = row(place &- 1).value
      place &-= 1
    }
    row(place).value = new
    header?.value.count &+= 1
  }
}

// MARK: - Asking

extension MemoryMap {
  /// Which frames are asked for.
  enum Use {
    /// Frames to hand out.
    case allocatable
    /// Frames that the linear map covers.
    case mappable

    func includes(_ kind: Kind) -> Bool { kind == .usable || (self == .mappable && kind == .kept) }
  }

  /// The first run of whole frames for `use` that ends above `frame`, cut to start there. O(rows) for each
  /// run of bytes that holds no whole frame, and for the one that does.
  func nextRun(_ use: Use, from frame: FrameNumber, _ pageSize: PageSize) -> FrameRange? {
    var start = frame.address(pageSize).rawValue
    while let run = nextBytes(use, from: start) {
      let first = PageCount(bytes: run.lowerBound, pageSize).rawValue
      let end = run.upperBound &>> UInt64(pageSize.shift)
      if end > first { return FrameRange(from: FrameNumber(first), upTo: FrameNumber(end)) }
      start = run.upperBound
    }
    return nil
  }

  /// The first bytes at or above `address` that rows of `use` cover and no other row does. O(rows).
  private func nextBytes(_ use: Use, from address: UInt64) -> Range<UInt64>? {
    // Where the run begins, once there is one: all rows below are past, since they are sorted.
    var start = address
    var end: UInt64?
    for index in 0..<count {
      let row = row(index).value
      if let reached = end, row.start > reached { break }
      guard row.end > start else { continue }
      if use.includes(row.kind) {
        if end == nil { start = max(start, row.start) }
        end = max(end ?? row.end, row.end)
      } else if end != nil, row.start > start {
        return start..<min(end ?? row.start, row.start)
      } else {
        // An obstacle at the beginning: what is left of the run begins behind it.
        start = row.end
        if let reached = end, reached <= start { end = nil }
      }
    }
    return end.map { start..<$0 }
  }
}
