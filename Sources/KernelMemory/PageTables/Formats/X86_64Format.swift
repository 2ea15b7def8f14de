/// x86-64 with four levels or five (Intel SDM vol. 3A, 4.5; tables 4-14 to 4-20).
///
///      63  62   52 51          M          12 11  9 8 7 6 5 4   3   2   1   0
///     |XD|ignored|0| address of frame or table |ign.|G|S|D|A|PCD|PWT|U/S|R/W|P|
///
/// S, bit 7, is the leaf mark PS in tables of level 1 and 2, reserved and zero above, and the attribute bit
/// PAT in tables of level 0; in a large leaf PAT is bit 12. A quarantined entry is one without P: of an
/// absent entry the CPU reads nothing else, and A, which all have, keeps it from being zero.
struct X86_64Format: PageTableFormat {
  /// 4, or 5 with CR4.LA57.
  let levels: Int
  /// 2 where CPUID.80000001H:EDX.Page1GB says so, else 1.
  let largestLeafLevel: Int

  var pageSize: PageSize { .size4K }
  var rootIndexBits: Int { 9 }
  var leastLevels: Int { 4 }
  var highestLeafLevel: Int { 2 }

  var frameShift: Int { 12 }
  /// Bits 51 to 12.
  var frameBits: Int { 40 }
  var present: UInt64 { Bit.present }
  var quarantine: UInt64 { 0 }
  var tableEntry: UInt64 { Bit.present | Bit.writable | Bit.accessed }
  var leafMark: UInt64 { Bit.pageSize }
  var leaf: LeafPattern { Self.leaf(Bit.present | Bit.accessed, attribute: 1 << 7) }
  var largeLeaf: LeafPattern {
    Self.leaf(Bit.present | Bit.accessed | Bit.pageSize, attribute: 1 << 12)
  }
  /// A leaf says nothing of its neighbours.
  var contiguousOrder: Int { 0 }
  var contiguousMark: UInt64 { 0 }
  var contiguousLeafHidesFrame: Bool { false }

  var splitNeedsBreakBeforeMake: Bool { false }

  /// 32 TiB behind the linear map, from where Linux's memory layout has it
  /// (Documentation/arch/x86/x86_64/mm.rst). With five levels that has 12.5 PiB, of which as much is taken as
  /// with four: the index of areas and the tables below the root then cost the same.
  var defaultVmallocRange: PageRange {
    let start: UInt64 = levels == 5 ? 0xffa0_0000_0000_0000 : 0xffff_c900_0000_0000
    return PageRange(unchecked: PageNumber(start &>> 12), count: PageCount(1 &<< 33))
  }

  private enum Bit {
    static var present: UInt64 { 1 << 0 }
    static var writable: UInt64 { 1 << 1 }
    static var writeThrough: UInt64 { 1 << 3 }
    static var cacheDisable: UInt64 { 1 << 4 }
    static var accessed: UInt64 { 1 << 5 }
    static var dirty: UInt64 { 1 << 6 }
    static var pageSize: UInt64 { 1 << 7 }
    static var global: UInt64 { 1 << 8 }
    static var executeDisable: UInt64 { 1 << 63 }
  }

  /// Accessed and dirty are set beforehand, so that the CPU need not write the entry (4.8). Of the types, the
  /// page-attribute table is as `BareMetal` programs it (12.12), index PAT:PCD:PWT to type:
  ///
  ///     0 write-back   1 write-combining   2 uncached-minus   3 uncached   7 write-through
  /// - Parameter attribute: the bit PAT.
  @inline(__always)
  private static func leaf(_ always: UInt64, attribute: UInt64) -> LeafPattern {
    LeafPattern(
      always: always,
      writable: LeafPattern.Choice(yes: Bit.writable | Bit.dirty, mask: Bit.writable),
      executable: LeafPattern.Choice(no: Bit.executeDisable),
      isGlobal: LeafPattern.Choice(yes: Bit.global),
      cache: CacheBits(
        mask: attribute | Bit.cacheDisable | Bit.writeThrough,
        writeBack: 0, writeCombining: Bit.writeThrough, uncachedMinus: Bit.cacheDisable,
        uncached: Bit.cacheDisable | Bit.writeThrough,
        writeThrough: attribute | Bit.cacheDisable | Bit.writeThrough))
  }
}
