/// A misuse of kmalloc's memory.
public struct SlabReport: Equatable, Sendable {
  /// What was found.
  @frozen
  public enum Kind: UInt8, Sendable {
    /// Freed, but not allocated: freed before, or never handed out.
    case doubleFree
    /// Freed by an address inside a live object or block.
    case interiorFree
    /// Freed, but no memory of kmalloc.
    case foreignFree
    /// Bytes behind the object were written; found when it was freed. In checked mode.
    case overflow
    /// A free object was written to; found before it was handed out. In checked mode.
    case writeAfterFree
    /// The link of a free object does not lead to one. In hardened and checked mode.
    case corruptLink
  }

  /// What was found.
  public let kind: Kind
  /// The number of the cache, by which `writeCacheName` names it; nil for a block or for other memory.
  public let cache: Int?
  /// Who is charged for the object, or was last; untagged where that is not known.
  public let tag: Tag
  /// Where: the first byte of the object.
  public let address: VirtualAddress
}

/// The newest reports: a ring. Cleared memory has none.
struct SlabReports {
  /// The newest 32, some 1.3 KiB: enough to see which cache is misused, and how.
  static let capacity = 32

  private var entries: InlineArray<32, SlabReport>
  private(set) var count: UInt64

  /// The number of the oldest report in the ring.
  var first: UInt64 { count &- min(count, UInt64(Self.capacity)) }

  subscript(number: UInt64) -> SlabReport { entries[Int(number % UInt64(Self.capacity))] }

  mutating func add(_ report: SlabReport) {
    entries[Int(count % UInt64(Self.capacity))] = report
    count &+= 1
  }
}
