@testable import KernelMemory

/// A format of no CPU, to start from when a new one is written: complete, and unlike x86-64 wherever a format
/// may be, so that the tests which run over all formats show that the walker takes nothing for granted.
///
/// What it has, and where an architecture is like it:
///
/// - pages of 16 KiB, and so 2,048 entries in a table, but 4 in the root, since addresses have 49 bits
///   (AArch64 with the 16 KiB granule: 2 for 48 bits);
/// - the number of a frame from bit 10 up, whatever the size of a page (RISC-V);
/// - a bit that tables have and large leaves do not (AArch64: descriptor type), instead of one that large
///   leaves have and tables do not;
/// - a bit that takes writing away, and one that allows execution: the wrong way round to x86-64's;
/// - a bit for what is quarantined, because nothing else of a table's entry need be set (RISC-V: one of RSW);
/// - three types of memory, which a large leaf says in other bits, instead of five;
/// - leaves that must not be split while they are in use (AArch64);
/// - leaves that say that eight neighbours are one translation, and leave out the lowest bits of the frame's
///   number (RISC-V: Svnapot).
///
///     63 62 61    48 47                    10 9  8 7 6 5 4  3  2  1  0
///     |C|large cache|      frame number      |-|A|Q|cache|nG|X |RO|T |V|
struct ExemplarFormat: PageTableFormat {
  var pageSize: PageSize { .size16K }
  var rootIndexBits: Int { 2 }
  var levels: Int { 4 }
  /// As if there were a mode with fewer.
  var leastLevels: Int { 3 }
  /// 32 MiB.
  var largestLeafLevel: Int { 1 }
  var highestLeafLevel: Int { 1 }

  var frameShift: Int { 10 }
  /// Physical addresses of 52 bits.
  var frameBits: Int { 38 }
  var present: UInt64 { Bit.valid }
  var quarantine: UInt64 { Bit.quarantined }
  var tableEntry: UInt64 { Bit.valid | Bit.table }
  var leafMark: UInt64 { Bit.table }
  var leaf: LeafPattern { Self.leaf(cacheAt: 5) }
  var largeLeaf: LeafPattern { Self.leaf(cacheAt: 61) }
  /// 128 KiB.
  var contiguousOrder: Int { 3 }
  var contiguousMark: UInt64 { Bit.contiguous }
  var contiguousLeafHidesFrame: Bool { true }

  var splitNeedsBreakBeforeMake: Bool { true }
  /// 1 TiB in the upper half, which begins at ffff000000000000.
  var defaultVmallocRange: PageRange {
    PageRange(unchecked: PageNumber(0xffff_c900_0000_0000 >> 14), count: PageCount(1 << 26))
  }

  private enum Bit {
    static var valid: UInt64 { 1 << 0 }
    static var table: UInt64 { 1 << 1 }
    static var readOnly: UInt64 { 1 << 2 }
    static var executable: UInt64 { 1 << 3 }
    static var notGlobal: UInt64 { 1 << 4 }
    static var quarantined: UInt64 { 1 << 7 }
    static var accessed: UInt64 { 1 << 8 }
    static var contiguous: UInt64 { 1 << 63 }
  }

  /// - Parameter bit: the lower of two that say the type of memory: 0 write-back, 1 write-combining, 2
  ///   uncached.
  private static func leaf(cacheAt bit: UInt64) -> LeafPattern {
    LeafPattern(
      always: Bit.valid | Bit.accessed,
      writable: LeafPattern.Choice(no: Bit.readOnly),
      executable: LeafPattern.Choice(yes: Bit.executable),
      isGlobal: LeafPattern.Choice(no: Bit.notGlobal),
      cache: CacheBits(
        mask: 3 << bit, writeBack: 0, writeCombining: 1 << bit, uncachedMinus: nil, uncached: 2 << bit,
        writeThrough: nil))
  }
}
