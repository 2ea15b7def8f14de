// AArch64 paging, stage 1 of EL1, as section D8.3 of the Arm ARM (DDI 0487) lays it out: VMSAv8-64
// descriptors without FEAT_LPA and FEAT_LPA2, with 48 bits of a physical address, for each granule.
//
// One table is the root of both halves: TTBR0_EL1 is its address, TTBR1_EL1 that of its middle, and T0SZ is
// T1SZ, so that what an index below the root's middle is reached by is the lower half.
//
// SCTLR_EL1.WXN is 0, and PSTATE.PAN, too. MAIR_EL1 has five attributes, 0 to 4, as `BareMetal` sets it; an
// entry that names another one is taken for a mistake, though hardware would find Device-nGnRnE there. What
// the manual has as RES0 is a mistake, too: hardware may give it a meaning later.

struct AArch64MMU: MMU {
  let granuleShift: UInt64
  /// ID_AA64MMFR0_EL1.PARange: an address above is an address size fault.
  let physicalAddressBits: Int
  /// FEAT_HAFDBS, switched on (TCR_EL1.HA and HD).
  let setsFlags: Bool

  var levels: Int { granuleShift == 16 ? 3 : 4 }
  /// 17 is T0SZ with granules of 4 and 64 KiB, 16 with that of 16 KiB; a half has one bit less than both.
  var rootIndexBits: UInt64 {
    switch granuleShift {
    case 12: 9
    case 14: 2
    default: 6
    }
  }

  var translationShifts: [UInt64] {
    (1...3).filter(hasPages).flatMap { level in
      [pageShift(level: level), pageShift(level: level) &+ runBits(level: level)]
    }
  }
  var flags: UInt64 { Flag.access | Flag.readOnly }
  var clearFlagsFault: Bool { true }
  var hasMemoryTypes: Bool { true }
  var breaksBeforeMaking: Bool { true }

  private enum Flag {
    static let valid: UInt64 = 1 << 0
    /// Of a table, and of a page; a block has it clear.
    static let table: UInt64 = 1 << 1
    static let notSecure: UInt64 = 1 << 5
    static let user: UInt64 = 1 << 6
    static let readOnly: UInt64 = 1 << 7
    static let access: UInt64 = 1 << 10
    static let notGlobal: UInt64 = 1 << 11
    static let dirtyBitModifier: UInt64 = 1 << 51
    static let contiguous: UInt64 = 1 << 52
    static let privilegedExecuteNever: UInt64 = 1 << 53
    static let tablePrivilegedExecuteNever: UInt64 = 1 << 59
    static let tableNoUser: UInt64 = 1 << 61
    static let tableReadOnly: UInt64 = 1 << 62
  }

  /// Blocks: 1 GiB and 2 MiB with the granule of 4 KiB, 32 MiB, 512 MiB (D8.3, without FEAT_LPA2).
  private func hasPages(level: Int) -> Bool { level <= 2 || (level == 3 && granuleShift == 12) }

  /// log2 of the entries that the contiguous bit makes one (D8.7.1): 16 of each kind; 128 pages, 32 blocks;
  /// 32 pages, and 32 blocks.
  private func runBits(level: Int) -> UInt64 {
    switch granuleShift {
    case 12: 4
    case 14: level == 1 ? 7 : 5
    default: 5
    }
  }

  func meaning(of entry: UInt64, level: Int, index _: UInt64) -> Meaning {
    guard entry & Flag.valid != 0 else { return .absent }
    let isTableOrPage = entry & Flag.table != 0
    if level > 1 && isTableOrPage { return table(entry) }
    // A block where none can be, or an entry of the lowest level with the type of a block, is as good as none
    // to hardware.
    guard level == 1 ? isTableOrPage : hasPages(level: level) else { return .wrong(.reservedBits) }
    return page(entry, level: level)
  }

  private var aboveHighestAddress: UInt64 { bits(from: min(48, UInt64(physicalAddressBits)), upTo: 51) }

  private func table(_ entry: UInt64) -> Meaning {
    guard entry & (bits(from: 12, upTo: granuleShift) | aboveHighestAddress) == 0 else {
      return .wrong(.reservedBits)
    }
    var rights = Rights.all
    if entry & Flag.tableReadOnly != 0 { rights.remove(.write) }
    if entry & Flag.tableNoUser != 0 { rights.remove(.user) }
    if entry & Flag.tablePrivilegedExecuteNever != 0 { rights.remove(.execute) }
    return .table(TableMeaning(address: entry & bits(from: granuleShift, upTo: 48), rights: rights))
  }

  private func page(_ entry: UInt64, level: Int) -> Meaning {
    let shift = pageShift(level: level)
    let memoryType = UInt8(truncatingIfNeeded: entry &>> 2 & 7)
    let shareability = entry &>> 8 & 3
    guard entry & (bits(from: 12, upTo: shift) | aboveHighestAddress | Flag.notSecure) == 0, memoryType <= 4,
      shareability != 1
    else { return .wrong(.reservedBits) }
    let isReadOnly = entry & Flag.readOnly != 0
    var rights = Rights.read
    if !isReadOnly || (setsFlags && entry & Flag.dirtyBitModifier != 0) { rights.insert(.write) }
    if entry & Flag.user != 0 { rights.insert(.user) }
    if entry & Flag.privilegedExecuteNever == 0 { rights.insert(.execute) }
    let isRun = entry & Flag.contiguous != 0
    return .page(
      PageMeaning(
        address: entry & bits(from: shift, upTo: 48), rights: rights, memoryType: memoryType,
        isGlobal: entry & Flag.notGlobal == 0, isAccessed: entry & Flag.access != 0, isDirty: !isReadOnly,
        runShift: isRun ? shift &+ runBits(level: level) : shift))
  }

  /// What users may write, EL1 never executes (D8.4).
  func permitted(_ rights: Rights) -> Rights {
    rights.isSuperset(of: [.write, .user]) ? rights.subtracting(.execute) : rights
  }

  func accessed(_ entry: UInt64) -> UInt64 { entry | Flag.access }
  func dirty(_ entry: UInt64) -> UInt64 { entry & ~Flag.readOnly }
  func isWriteBack(_ memoryType: UInt8) -> Bool { memoryType == 0 }
}
