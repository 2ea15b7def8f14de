// x86-64 paging, as SDM tables 4-14 (PML5 entry), 4-15 (PML4 entry), 4-16 and 4-17 (entry of a
// page-directory-pointer table: 1 GiB page, page directory), 4-18 and 4-19 (page-directory entry: 2 MiB page,
// page table) and 4-20 (page-table entry) lay it out.
//
// Protection keys (bits 62 to 59 of a leaf) are ignored, as with CR4.PKE and CR4.PKS 0; bit 63 forbids
// execution, as with IA32_EFER.NXE 1.

struct X86MMU: MMU {
  /// 4, or 5 as with CR4.LA57.
  let levels: Int
  /// MAXPHYADDR.
  let physicalAddressBits: Int
  let hasGigabytePages: Bool

  var granuleShift: UInt64 { 12 }
  var rootIndexBits: UInt64 { 9 }
  var translationShifts: [UInt64] { [12, 21, 30] }
  var flags: UInt64 { Flag.accessed | Flag.dirty }
  var clearFlagsFault: Bool { false }
  var hasMemoryTypes: Bool { true }
  var breaksBeforeMaking: Bool { false }

  private enum Flag {
    static let present: UInt64 = 1 << 0
    static let writable: UInt64 = 1 << 1
    static let user: UInt64 = 1 << 2
    static let accessed: UInt64 = 1 << 5
    static let dirty: UInt64 = 1 << 6
    static let pageSize: UInt64 = 1 << 7
    static let global: UInt64 = 1 << 8
    static let executeDisable: UInt64 = 1 << 63
  }

  func meaning(of entry: UInt64, level: Int, index _: UInt64) -> Meaning {
    guard entry & Flag.present != 0 else { return .absent }
    // There is no 512 GiB page.
    let isLeaf = level == 1 || (level <= 3 && entry & Flag.pageSize != 0)
    guard entry & reserved(level: level, isLeaf: isLeaf) == 0 else { return .wrong(.reservedBits) }
    let isAccessed = entry & Flag.accessed != 0
    let rights = rights(entry)
    guard isLeaf else {
      return .table(
        TableMeaning(address: entry & bits(from: 12, upTo: 52), rights: rights, isAccessed: isAccessed))
    }
    let shift = pageShift(level: level)
    return .page(
      PageMeaning(
        address: entry & bits(from: shift, upTo: 52), rights: rights,
        memoryType: patIndex(entry, level: level), isGlobal: entry & Flag.global != 0,
        isAccessed: isAccessed, isDirty: entry & Flag.dirty != 0, runShift: shift))
  }

  /// Writing and user access where an entry allows them, execution where it does not forbid it (SDM 4.6.1).
  private func rights(_ entry: UInt64) -> Rights {
    var rights = Rights.read
    if entry & Flag.writable != 0 { rights.insert(.write) }
    if entry & Flag.user != 0 { rights.insert(.user) }
    if entry & Flag.executeDisable == 0 { rights.insert(.execute) }
    return rights
  }

  /// The index into IA32_PAT: PWT is its bit 0, PCD bit 1, PAT bit 2 (SDM 4.9.2). PAT is bit 7 of a
  /// page-table entry; where bit 7 is the page size, PAT is bit 12.
  private func patIndex(_ entry: UInt64, level: Int) -> UInt8 {
    let pat = level == 1 ? entry &>> 7 : entry &>> 12
    return UInt8(truncatingIfNeeded: (entry &>> 3 & 0b11) | (pat & 1) &<< 2)
  }

  private func reserved(level: Int, isLeaf: Bool) -> UInt64 {
    let aboveHighestAddress = bits(from: UInt64(truncatingIfNeeded: physicalAddressBits), upTo: 52)
    switch (level, isLeaf) {
    case (4..., _): return aboveHighestAddress | Flag.pageSize
    case (3, true) where !hasGigabytePages: return aboveHighestAddress | Flag.pageSize
    // Below the address of a large page, and above PAT.
    case (3, true): return aboveHighestAddress | bits(from: 13, upTo: 30)
    case (2, true): return aboveHighestAddress | bits(from: 13, upTo: 21)
    default: return aboveHighestAddress
    }
  }

  func accessed(_ entry: UInt64) -> UInt64 { entry | Flag.accessed }
  func dirty(_ entry: UInt64) -> UInt64 { entry | Flag.dirty }

  /// The types of IA32_PAT's entries as `BareMetal` sets them, of which 0 and 4 are write-back.
  func isWriteBack(_ memoryType: UInt8) -> Bool { memoryType & 3 == 0 }
}
