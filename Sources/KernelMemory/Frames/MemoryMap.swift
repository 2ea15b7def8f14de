// The firmware's memory map
//
// Firmware hands over a list of address ranges with a kind each, in any order, with edges inside a
// page, with overlaps, and with holes that no entry names. Three rules make one answer of it:
//
//   - a byte is RAM to hand out only where some entry calls it usable and none calls it otherwise;
//   - a page frame counts only where all its bytes do, so ranges are cut inward to whole frames, after
//     neighbours were joined (two usable entries may meet inside a page);
//   - what no entry names does not exist.
//
// The map is a value of fixed size: it is read before there is an allocator. Its questions are asked a
// few times at boot, so each simply goes through all entries.

/// What the firmware and the boot code say about physical memory.
public struct MemoryMap: Sendable {
  public enum Kind: UInt8, Sendable {
    /// RAM that nobody uses.
    case usable
    /// RAM that is in use at boot (the kernel image, an initial RAM disk): part of the linear map,
    /// never handed out.
    case kept
    /// Not to be touched: neither mapped nor handed out.
    case reserved
  }

  struct Entry {
    var kind = Kind.reserved
    var start: UInt64 = 0
    /// One past the last byte, saturated at the top of the address space.
    var end: UInt64 = 0
  }

  /// As many entries as the largest firmware maps seen in practice have (the x86 boot protocol's own
  /// limit is 128).
  public static let capacity = 128

  private var entries = InlineArray<128, Entry>(repeating: Entry())
  private(set) var count = 0

  public init() {}

  /// Adds what the firmware says of `byteCount` bytes from `start`. Entries may come in any order and
  /// overlap; empty ones are ignored, and one that runs past the top of the address space ends there.
  /// - Throws: `memoryMapFull`.
  public mutating func add(
    _ kind: Kind, at start: PhysicalAddress, byteCount: UInt64
  ) throws(MemoryError) {
    guard byteCount > 0 else { return }
    guard count < Self.capacity else { throw .memoryMapFull(limit: Self.capacity) }
    entries[count] = Entry(
      kind: kind, start: start.rawValue, end: start.advanced(by: byteCount)?.rawValue ?? .max)
    count += 1
  }
}

extension MemoryMap {
  /// Which frames are asked for.
  enum Use {
    /// Frames to hand out.
    case allocatable
    /// Frames that the linear map covers.
    case mappable

    func includes(_ kind: Kind) -> Bool { kind == .usable || (self == .mappable && kind == .kept) }
  }

  /// The first run of whole frames for `use` that ends above `frame`, cut to start there. O(entries²).
  func nextRun(_ use: Use, from frame: FrameNumber, _ pageSize: PageSize) -> FrameRange? {
    var start = frame.address(pageSize).rawValue
    while let run = nextBytes(use, from: start) {
      let first = PageCount(bytes: run.start, pageSize).rawValue
      let end = run.end &>> UInt64(pageSize.shift)
      if end > first { return FrameRange(from: FrameNumber(first), upTo: FrameNumber(end)) }
      start = run.end
    }
    return nil
  }

  private func nextBytes(_ use: Use, from address: UInt64) -> Entry? {
    var start = address
    while let candidate = lowestByte(use, from: start) {
      if let past = endOfObstacle(use, covering: candidate) {
        start = past
        continue
      }
      return Entry(kind: .usable, start: candidate, end: endOfRun(use, from: candidate))
    }
    return nil
  }

  /// The lowest byte at or above `address` in an entry that `use` includes.
  private func lowestByte(_ use: Use, from address: UInt64) -> UInt64? {
    var lowest: UInt64?
    for index in 0..<count where use.includes(entries[index].kind) && entries[index].end > address {
      let byte = max(entries[index].start, address)
      lowest = min(lowest ?? byte, byte)
    }
    return lowest
  }

  /// Where an entry that `use` excludes ends, if one covers `address`.
  private func endOfObstacle(_ use: Use, covering address: UInt64) -> UInt64? {
    for index in 0..<count where !use.includes(entries[index].kind) {
      if entries[index].start <= address && address < entries[index].end { return entries[index].end }
    }
    return nil
  }

  /// Where the included entries that join at `start` end, or where the first obstacle begins.
  private func endOfRun(_ use: Use, from start: UInt64) -> UInt64 {
    var end = start
    var grew = true
    while grew {
      grew = false
      for index in 0..<count where use.includes(entries[index].kind) {
        let entry = entries[index]
        if entry.start <= end && entry.end > end {
          end = entry.end
          grew = true
        }
      }
    }
    for index in 0..<count where !use.includes(entries[index].kind) && entries[index].start > start {
      end = min(end, entries[index].start)
    }
    return end
  }
}
