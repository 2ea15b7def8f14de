// RISC-V paging in supervisor mode: Sv39, Sv48 and Sv57, as sections 12.3 to 12.6 of the privileged
// architecture lay them out, with Svnapot (12.5) and Svpbmt (12.6) where a hart has them.
//
// sstatus.SUM and MXR are 0: what users may do, the supervisor may not, and what is only to be executed is
// not read. Physical addresses have 56 bits; where nothing is, there is an access fault.

struct RISCVMMU: MMU {
  /// 3, 4 or 5, as satp.MODE has it.
  let levels: Int
  /// Svpbmt.
  let hasPageTypes: Bool
  /// Svnapot.
  let hasContiguousPages: Bool

  var granuleShift: UInt64 { 12 }
  var rootIndexBits: UInt64 { 9 }
  var translationShifts: [UInt64] { [12, Self.runShift] + (2...levels).map { pageShift(level: $0) } }
  var flags: UInt64 { Flag.accessed | Flag.dirty }
  var clearFlagsFault: Bool { true }
  var hasMemoryTypes: Bool { hasPageTypes }
  var breaksBeforeMaking: Bool { false }

  /// 64 KiB, the only run that there is.
  private static let runShift: UInt64 = 16

  private enum Flag {
    static let valid: UInt64 = 1 << 0
    static let read: UInt64 = 1 << 1
    static let write: UInt64 = 1 << 2
    static let execute: UInt64 = 1 << 3
    static let user: UInt64 = 1 << 4
    static let global: UInt64 = 1 << 5
    static let accessed: UInt64 = 1 << 6
    static let dirty: UInt64 = 1 << 7
    static let types: UInt64 = 3 << 61
    static let contiguous: UInt64 = 1 << 63
    /// 60 to 54.
    static let reserved: UInt64 = 0x7f << 54
  }

  func meaning(of entry: UInt64, level: Int, index: UInt64) -> Meaning {
    guard entry & Flag.valid != 0 else { return .absent }
    let isLeaf = entry & (Flag.read | Flag.execute) != 0
    // Writing without reading is kept for later.
    guard entry & Flag.reserved == 0, entry & (Flag.read | Flag.write) != Flag.write else {
      return .wrong(.reservedBits)
    }
    let frame = entry &>> 10 & bits(from: 0, upTo: 44)
    if isLeaf { return page(entry, frame: frame, level: level, index: index) }
    // Nothing is said of the pages below, and there must be some.
    let unused = Flag.user | Flag.accessed | Flag.dirty | Flag.types | Flag.contiguous
    guard level > 1, entry & unused == 0 else { return .wrong(.reservedBits) }
    return .table(TableMeaning(address: frame &<< 12))
  }

  private func page(_ entry: UInt64, frame: UInt64, level: Int, index: UInt64) -> Meaning {
    let type = UInt8(truncatingIfNeeded: (entry & Flag.types) &>> 61)
    guard hasPageTypes ? type != 3 : type == 0 else { return .wrong(.reservedBits) }
    let shift = pageShift(level: level)
    var address = frame &<< 12
    let isRun = entry & Flag.contiguous != 0
    if isRun {
      // Four bits say how long the run is: 1000, of the sixteen pages that there can be.
      guard hasContiguousPages, level == 1, frame & 0xf == 0x8 else { return .wrong(.reservedBits) }
      address = (frame & ~0xf | index & 0xf) &<< 12
    }
    guard address & bits(from: 12, upTo: shift) == 0 else { return .wrong(.misalignedPage) }
    return .page(
      PageMeaning(
        address: address, rights: rights(entry), memoryType: type, isGlobal: entry & Flag.global != 0,
        isAccessed: entry & Flag.accessed != 0, isDirty: entry & Flag.dirty != 0,
        runShift: isRun ? Self.runShift : shift))
  }

  private func rights(_ entry: UInt64) -> Rights {
    guard entry & Flag.user == 0 else { return .user }
    var rights = Rights()
    if entry & Flag.read != 0 { rights.insert(.read) }
    if entry & Flag.write != 0 { rights.insert(.write) }
    if entry & Flag.execute != 0 { rights.insert(.execute) }
    return rights
  }

  func accessed(_ entry: UInt64) -> UInt64 { entry | Flag.accessed }
  func dirty(_ entry: UInt64) -> UInt64 { entry | Flag.dirty }
  func isWriteBack(_ memoryType: UInt8) -> Bool { memoryType == 0 }
}
