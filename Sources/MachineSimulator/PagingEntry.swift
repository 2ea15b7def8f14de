// An entry of an x86-64 paging structure, as SDM tables 4-14 (PML5 entry), 4-15 (PML4 entry), 4-16 and 4-17
// (entry of a page-directory-pointer table: 1 GiB page, page directory), 4-18 and 4-19 (page-directory entry:
// 2 MiB page, page table) and 4-20 (page-table entry) lay it out.
//
// Levels count from the page: 1 is the page table, 4 the PML4, 5 the PML5 where there is one. Protection keys
// (bits 62 to 59 of a leaf) are ignored, as with CR4.PKE and CR4.PKS 0; bit 63 forbids execution, as with
// IA32_EFER.NXE 1.

struct PagingEntry: Equatable {
  var bits: UInt64

  static let presentFlag: UInt64 = 1 << 0
  static let writableFlag: UInt64 = 1 << 1
  static let userFlag: UInt64 = 1 << 2
  static let accessedFlag: UInt64 = 1 << 5
  static let dirtyFlag: UInt64 = 1 << 6
  static let pageSizeFlag: UInt64 = 1 << 7
  static let globalFlag: UInt64 = 1 << 8
  static let executeDisableFlag: UInt64 = 1 << 63

  var isPresent: Bool { bits & Self.presentFlag != 0 }
  var isAccessed: Bool { bits & Self.accessedFlag != 0 }
  var isDirty: Bool { bits & Self.dirtyFlag != 0 }
  var isGlobal: Bool { bits & Self.globalFlag != 0 }

  /// What this entry alone permits.
  var rights: Rights {
    var rights = Rights()
    if bits & Self.writableFlag != 0 { rights.insert(.write) }
    if bits & Self.userFlag != 0 { rights.insert(.user) }
    if bits & Self.executeDisableFlag == 0 { rights.insert(.execute) }
    return rights
  }

  /// Whether this entry maps a page; otherwise it references a table. There is no 512 GiB page.
  func isLeaf(level: Int) -> Bool {
    level == 1 || (level <= 3 && bits & Self.pageSizeFlag != 0)
  }

  /// Bits 51 to 12, or to 21 or 30 for a large page: of the table that this entry references, or of the page.
  func address(level: Int) -> UInt64 {
    let shift = isLeaf(level: level) ? pageShift(level: level) : 12
    return bits & Self.bits(from: shift, upTo: 52)
  }

  /// The index into IA32_PAT: PWT is its bit 0, PCD bit 1, PAT bit 2 (SDM 4.9.2). PAT is bit 7 of a
  /// page-table entry; where bit 7 is the page size, PAT is bit 12.
  func patIndex(level: Int) -> UInt8 {
    let pat = level == 1 ? bits >> 7 : bits >> 12
    return UInt8(truncatingIfNeeded: (bits >> 3 & 0b11) | (pat & 1) << 2)
  }

  /// The bits that are set and must not be, where physical addresses have `physicalAddressBits`.
  func reservedBits(level: Int, physicalAddressBits: Int) -> UInt64 {
    bits
      & Self.reservedMask(
        level: level, isLeaf: isLeaf(level: level), physicalAddressBits: physicalAddressBits)
  }

  private static func reservedMask(level: Int, isLeaf: Bool, physicalAddressBits: Int) -> UInt64 {
    let aboveHighestAddress = bits(from: UInt64(physicalAddressBits), upTo: 52)
    switch (level, isLeaf) {
    case (4..., _): return aboveHighestAddress | pageSizeFlag
    // Below the address of a large page, and above PAT.
    case (3, true): return aboveHighestAddress | bits(from: 13, upTo: 30)
    case (2, true): return aboveHighestAddress | bits(from: 13, upTo: 21)
    default: return aboveHighestAddress
    }
  }

  /// Ones from bit `low` up to and without bit `high`.
  private static func bits(from low: UInt64, upTo high: UInt64) -> UInt64 {
    (UInt64(1) << high) &- (UInt64(1) << low)
  }
}

/// What the entries of a translation permit together (SDM 4.6.1): writing and user access where all of
/// them do, execution where none of them forbids it.
struct Rights: OptionSet {
  let rawValue: UInt8
  static let write = Rights(rawValue: 1)
  static let user = Rights(rawValue: 2)
  static let execute = Rights(rawValue: 4)
  static let all: Rights = [.write, .user, .execute]
}

/// log2 of the bytes that one entry of a table of `level` covers: each level resolves 9 bits above the
/// 12 of the page (SDM figure 4-8).
@inline(__always)
func pageShift(level: Int) -> UInt64 { 12 &+ 9 &* UInt64(truncatingIfNeeded: level &- 1) }
