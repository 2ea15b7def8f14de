/// AArch64, stage 1 of EL1, with any of the three granules (Arm ARM DDI 0487, D8.3: VMSAv8-64 descriptors).
///
///     63 58   55 54  53   52   51 50  48 47           12 11 10 9 8  7  6  5  4  2   1     0
///     |ign.|sw.|UXN|PXN|Contig|DBM|  0  |frame or table|nG|AF|SH |RO|EL0|NS|Attr |table|valid|
///
/// Bit 1 is set in an entry that names a table, and in a leaf of level 0; a block, which is a larger leaf,
/// has it clear. A quarantined entry is one without the valid bit: the CPU ignores the others then, and what
/// remains of a table's entry or of a leaf is never zero.
///
/// Both halves of the address space have one root, of which each takes one half: TCR_EL1.T0SZ is T1SZ,
/// TTBR0_EL1 the root, and TTBR1_EL1 the root's middle. An address then has one bit more than a half of it
/// translates, as on x86-64, and what lies between the halves is not canonical:
///
///     granule   T0SZ, T1SZ   levels   entries of the root   a half
///     4 KiB     17           4        512                   128 TiB
///     16 KiB    16           4        4                     256 TiB
///     64 KiB    17           3        64                    128 TiB
struct AArch64Format: PageTableFormat {
  /// The granule.
  let pageSize: PageSize

  var rootIndexBits: Int { pageSize == .size4K ? 9 : pageSize == .size16K ? 2 : 6 }
  var levels: Int { pageSize == .size64K ? 3 : 4 }
  var leastLevels: Int { 3 }
  /// Blocks of 2 MiB and of 1 GiB with pages of 4 KiB, of 32 MiB or of 512 MiB with larger ones (D8.3, table
  /// of block sizes without FEAT_LPA2).
  var largestLeafLevel: Int { pageSize == .size4K ? 2 : 1 }
  var highestLeafLevel: Int { 2 }

  var frameShift: Int { Int(pageSize.shift) }
  /// Physical addresses of 48 bits: those above need FEAT_LPA or FEAT_LPA2.
  var frameBits: Int { 48 &- frameShift }
  var present: UInt64 { Bit.valid }
  var quarantine: UInt64 { 0 }
  var tableEntry: UInt64 { Bit.valid | Bit.table }
  var leafMark: UInt64 { Bit.table }
  var leaf: LeafPattern { Self.leaf(Bit.valid | Bit.table) }
  var largeLeaf: LeafPattern { Self.leaf(Bit.valid) }
  /// 64 KiB, 2 MiB, 2 MiB (D8.7.1, the contiguous bit).
  var contiguousOrder: Int { pageSize == .size4K ? 4 : pageSize == .size16K ? 7 : 5 }
  var contiguousMark: UInt64 { Bit.contiguous }
  var contiguousLeafHidesFrame: Bool { false }

  var splitNeedsBreakBeforeMake: Bool { true }

  /// 32 TiB, where x86-64 has them.
  var defaultVmallocRange: PageRange {
    PageRange(
      unchecked: VirtualAddress(0xffff_c900_0000_0000).number(pageSize),
      count: PageCount(1 &<< (45 &- UInt64(pageSize.shift))))
  }

  private enum Bit {
    static var valid: UInt64 { 1 << 0 }
    static var table: UInt64 { 1 << 1 }
    static var readOnly: UInt64 { 1 << 7 }
    static var innerShareable: UInt64 { 3 << 8 }
    static var accessFlag: UInt64 { 1 << 10 }
    static var notGlobal: UInt64 { 1 << 11 }
    static var contiguous: UInt64 { 1 << 52 }
    static var privilegedExecuteNever: UInt64 { 1 << 53 }
    static var unprivilegedExecuteNever: UInt64 { 1 << 54 }
  }

  /// The access flag is set beforehand: without hardware that sets it (FEAT_HAFDBS) the first access would
  /// fault. What EL1 maps, EL0 never executes. Shareability means nothing but for cached memory (D8.6.2). For
  /// the types, the boot code gives MAIR_EL1 these attributes (0xbb040044ff):
  ///
  ///     0 write-back   1 Normal, not cached: write-combining   2 Device-nGnRnE: uncached
  ///     3 Device-nGnRE, whose writes are acknowledged early: uncached-minus   4 write-through
  /// - Parameter type: what says that it is a leaf of its level.
  @inline(__always)
  private static func leaf(_ type: UInt64) -> LeafPattern {
    LeafPattern(
      always: type | Bit.accessFlag | Bit.innerShareable | Bit.unprivilegedExecuteNever,
      writable: LeafPattern.Choice(no: Bit.readOnly),
      executable: LeafPattern.Choice(no: Bit.privilegedExecuteNever),
      isGlobal: LeafPattern.Choice(no: Bit.notGlobal),
      cache: CacheBits(
        mask: 7 << 2, writeBack: 0 << 2, writeCombining: 1 << 2, uncachedMinus: 3 << 2, uncached: 2 << 2,
        writeThrough: 4 << 2))
  }
}
