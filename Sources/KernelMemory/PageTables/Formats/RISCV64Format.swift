/// RISC-V, supervisor mode, with three, four or five levels: Sv39, Sv48 and Sv57 (The RISC-V Instruction Set
/// Manual, vol. II: Privileged Architecture, 12.3 to 12.6).
///
///      63 62 61 60    54 53                    10 9   8 7 6 5 4 3 2 1 0
///     |N | PBMT|   0    | frame of leaf or table |RSW|Q|D|A|G|U|X|W|R|V|
///
/// An entry with R, W and X clear names a table. Of one without V the hardware reads nothing else; a
/// quarantined one has Q, one of the two bits that are left to software, because nothing else of a table's
/// entry need be set.
struct RISCV64Format: PageTableFormat {
  /// 3, 4 or 5, as satp.MODE has it.
  let levels: Int
  /// Whether the hart has Svpbmt. Without it memory has the type that the platform gives it, which is
  /// write-back.
  let hasPageTypes: Bool
  /// Whether the hart has Svnapot.
  let hasContiguousPages: Bool

  var pageSize: PageSize { .size4K }
  var rootIndexBits: Int { 9 }
  var leastLevels: Int { 3 }
  /// Any entry may be a leaf; those of the root are not used.
  var largestLeafLevel: Int { levels == 3 ? 1 : 2 }
  var highestLeafLevel: Int { 2 }

  var frameShift: Int { 10 }
  /// Physical addresses of 56 bits.
  var frameBits: Int { 44 }
  var present: UInt64 { Bit.valid }
  var quarantine: UInt64 { Bit.quarantined }
  var tableEntry: UInt64 { Bit.valid }
  var leafMark: UInt64 { Bit.read | Bit.write | Bit.execute }
  var leaf: LeafPattern { pattern }
  var largeLeaf: LeafPattern { pattern }
  /// Svnapot has groups of 64 KiB alone (12.5): N is set, and the lowest four bits of the frame are 1000.
  var contiguousOrder: Int { hasContiguousPages ? 4 : 0 }
  var contiguousMark: UInt64 { Bit.contiguous | 1 << 13 }
  var contiguousLeafHidesFrame: Bool { hasContiguousPages }

  /// Either the old leaf or the new ones may be used until the flush (12.2.1), which say the same.
  var splitNeedsBreakBeforeMake: Bool { false }

  /// Of as many entries of the root as x86-64 has there: 64 GiB, 32 TiB, or 32 TiB of 12.5 PiB. With four and
  /// five levels where x86-64 has it, with three where Linux has it (Documentation/arch/riscv/vm-layout.rst).
  var defaultVmallocRange: PageRange {
    switch levels {
    case 3: Self.range(0xffff_ffc8_0000_0000, byteCount: 64 << 30)
    case 4: Self.range(0xffff_c900_0000_0000, byteCount: 32 << 40)
    default: Self.range(0xffa0_0000_0000_0000, byteCount: 32 << 40)
    }
  }

  private static func range(_ start: UInt64, byteCount: UInt64) -> PageRange {
    PageRange(unchecked: PageNumber(start &>> 12), count: PageCount(byteCount &>> 12))
  }

  private enum Bit {
    static var valid: UInt64 { 1 << 0 }
    static var read: UInt64 { 1 << 1 }
    static var write: UInt64 { 1 << 2 }
    static var execute: UInt64 { 1 << 3 }
    static var global: UInt64 { 1 << 5 }
    static var accessed: UInt64 { 1 << 6 }
    static var dirty: UInt64 { 1 << 7 }
    static var quarantined: UInt64 { 1 << 8 }
    static var types: UInt64 { 3 << 61 }
    static var contiguous: UInt64 { 1 << 63 }
  }

  /// Accessed and dirty are set beforehand: a hart may fault instead of setting them (12.3.1). Of the types,
  /// Svpbmt has two besides that of memory (12.6): 1, not cached but idempotent, and 2, of devices.
  @inline(__always)
  private var pattern: LeafPattern {
    LeafPattern(
      always: Bit.valid | Bit.read | Bit.accessed,
      writable: LeafPattern.Choice(yes: Bit.write | Bit.dirty, mask: Bit.write),
      executable: LeafPattern.Choice(yes: Bit.execute),
      isGlobal: LeafPattern.Choice(yes: Bit.global),
      cache: CacheBits(
        mask: hasPageTypes ? Bit.types : 0, writeBack: 0, writeCombining: hasPageTypes ? 1 << 61 : nil,
        uncachedMinus: nil, uncached: hasPageTypes ? 2 << 61 : nil, writeThrough: nil))
  }
}
