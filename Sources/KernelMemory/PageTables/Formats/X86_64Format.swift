/// x86-64, 4-level paging (Intel SDM vol. 3A, 4.5; tables 4-15 to 4-20).
///
///      63  62   52 51          M          12 11  9 8 7 6 5 4   3   2   1   0
///     |XD|ignored|0| address of frame or table |ign.|G|S|D|A|PCD|PWT|U/S|R/W|P|
///
/// S, bit 7, is the leaf mark PS in tables of level 1 and 2, and the attribute bit PAT in tables of
/// level 0; in a large leaf PAT is bit 12.
struct X86_64Format: PageTableFormat {
  static var pageSize: PageSize { .size4K }
  static var indexBits: Int { 9 }
  static var frameBits: Int { 40 }
  static var splitNeedsBreakBeforeMake: Bool { false }

  let levels = 4
  /// 2 where CPUID.80000001H:EDX.Page1GB says so, else 1.
  let largestLeafLevel: Int

  private static var present: UInt64 { 1 << 0 }
  private static var writable: UInt64 { 1 << 1 }
  private static var writeThrough: UInt64 { 1 << 3 }
  private static var cacheDisable: UInt64 { 1 << 4 }
  private static var accessed: UInt64 { 1 << 5 }
  private static var dirty: UInt64 { 1 << 6 }
  private static var pageSizeMark: UInt64 { 1 << 7 }
  private static var global: UInt64 { 1 << 8 }
  private static var executeDisable: UInt64 { 1 << 63 }
  /// Bits 51 to 12; a large leaf's lower ones are zero, or PAT.
  private static var addressMask: UInt64 { 0x000f_ffff_ffff_f000 }

  @inline(__always)
  static func isPresent(_ entry: UInt64) -> Bool { entry & present != 0 }

  @inline(__always)
  static func isLeaf(_ entry: UInt64, level: Int) -> Bool {
    // In the root the mark is reserved, and zero.
    level == 0 || level < 3 && entry & pageSizeMark != 0
  }

  @inline(__always)
  static func nextTable(_ entry: UInt64) -> FrameNumber { FrameNumber((entry & addressMask) &>> 12) }

  @inline(__always)
  static func nextTableAddress(_ entry: UInt64) -> PhysicalAddress { PhysicalAddress(entry & addressMask) }

  @inline(__always)
  static func frame(ofLeaf entry: UInt64, level: Int) -> FrameNumber {
    FrameNumber((entry & addressMask) &>> 12 & ~(span(level) &- 1))
  }

  static func table(_ frame: FrameNumber) -> UInt64 { frame.rawValue &<< 12 | present | writable | accessed }

  @inline(__always)
  static func quarantined(_ entry: UInt64) -> UInt64 { entry & ~present }

  @inline(__always)
  static func revived(_ entry: UInt64) -> UInt64 { entry | present }

  /// Accessed and dirty are set beforehand, so that the CPU need not write the entry (4.8).
  @inline(__always)
  static func bits(_ attributes: MappingAttributes, level: Int) -> UInt64 {
    var bits = present | accessed | cacheBits(attributes.cache, level: level)
    if attributes.protection.isWritable { bits |= writable | dirty }
    if !attributes.protection.isExecutable { bits |= executeDisable }
    if attributes.isGlobal { bits |= global }
    if level > 0 { bits |= pageSizeMark }
    return bits
  }

  @inline(__always)
  static func leaf(_ frame: FrameNumber, bits: UInt64) -> UInt64 { frame.rawValue &<< 12 | bits }

  static func attributes(of entry: UInt64, level: Int) -> MappingAttributes {
    let writes = entry & writable != 0
    let executes = entry & executeDisable == 0
    return MappingAttributes(
      Protection(writable: writes, executable: executes) ?? .writableExecutable,
      cache: cacheType(of: entry, level: level), isGlobal: entry & global != 0)
  }
}

// The page-attribute table (SDM vol. 3A, 12.12) as `BareMetal` programs it: index PAT:PCD:PWT to type.
//     0 write-back   1 write-combining   2 uncached-minus   3 uncached   7 write-through
extension X86_64Format {
  private static func attributeBit(level: Int) -> UInt64 { level == 0 ? 1 << 7 : 1 << 12 }

  @inline(__always)
  private static func cacheBits(_ type: CacheType, level: Int) -> UInt64 {
    switch type {
    case .writeBack: 0
    case .writeCombining: writeThrough
    case .uncachedMinus: cacheDisable
    case .uncached: cacheDisable | writeThrough
    case .writeThrough: attributeBit(level: level) | cacheDisable | writeThrough
    }
  }

  private static func cacheType(of entry: UInt64, level: Int) -> CacheType {
    if entry & attributeBit(level: level) != 0 { return .writeThrough }
    return switch (entry & cacheDisable != 0, entry & writeThrough != 0) {
    case (false, false): .writeBack
    case (false, true): .writeCombining
    case (true, false): .uncachedMinus
    case (true, true): .uncached
    }
  }
}
