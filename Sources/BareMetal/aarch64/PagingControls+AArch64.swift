#if arch(arm64)

private import CBareMetal
public import KernelMemory

// The system registers that give a page-table entry its meaning (Arm ARM, D19.2):
//
// - MAIR_EL1, which turns an entry's three attribute bits into a type;
// - TCR_EL1: the granule, how many bits of an address are translated, and what the walks themselves are:
//   cached, and coherent with all CPUs;
// - TTBR0_EL1 and TTBR1_EL1, the two halves of one root (AArch64Format.swift).

/// This CPU's translation registers.
public enum PagingControls {
  /// The type of each of the attributes, a byte each from the lowest: Normal write-back, Normal not cached,
  /// Device-nGnRnE, Device-nGnRE, Normal write-through. It is what the AArch64 format writes its entries for.
  static var memoryAttributes: UInt { 0x0000_00bb_0400_44ff }

  /// TCR_EL1: both halves of the same size and with the same granule; walks by inner shareable, write-back
  /// memory that is allocated in caches.
  static func control(_ granule: PageSize) -> UInt {
    let size: UInt = granule == .size16K ? 16 : 17
    let lower: UInt = granule == .size16K ? 2 : granule == .size64K ? 1 : 0
    let upper: UInt = granule == .size16K ? 1 : granule == .size64K ? 3 : 2
    let halves = size | 1 << 8 | 1 << 10 | 3 << 12 | lower << 14
    let upperHalves = size << 16 | 1 << 24 | 1 << 26 | 3 << 28 | upper << 30
    return halves | upperHalves | ProcessorFeatures.physicalAddressSize << 32
  }

  /// How far TTBR1_EL1 lies behind the root: its middle.
  static func middle(_ granule: PageSize) -> UInt {
    granule == .size16K ? 2 * 8 : granule == .size64K ? 32 * 8 : 256 * 8
  }

  /// How many bits of a virtual address are translated, by both halves.
  static func addressBits(_ granule: PageSize) -> Int { granule == .size16K ? 49 : 48 }

  /// Whether this CPU reads entries as the AArch64 format writes them: `load` was called on it.
  public static func isPrepared(_ granule: PageSize) -> Bool {
    arm64_read_sctlr_el1() & 1 != 0 && arm64_read_mair_el1() == memoryAttributes
      && arm64_read_tcr_el1() == control(granule)
  }

  /// Asks whether this CPU can read such entries at all. Throws where it cannot: it would hang.
  public static func prepare(granule: PageSize = .size4K) throws(MissingFeature) {
    try ProcessorFeatures.check(granule: granule)
  }

  /// Has this CPU read entries as the AArch64 format writes them, and switches it to the tables below `root`;
  /// nothing of the old ones stays in its TLB. Translation is off for some instructions, which have to lie at
  /// their physical address before, meanwhile and afterwards. Call with interrupts off.
  /// - Parameters:
  ///   - addressBits: as `Bootstrap.addressBits` has them.
  ///   - granule: that of the format.
  /// - Throws: `addressWidthDiffers` where the format is one of another granule.
  public static func load(
    root: PhysicalAddress, addressBits: Int, granule: PageSize = .size4K
  ) throws(MemoryError) {
    guard addressBits == Self.addressBits(granule) else {
      throw .addressWidthDiffers(formatBits: addressBits)
    }
    arm64_switch_translation(
      memoryAttributes, control(granule), UInt(root.rawValue), UInt(root.rawValue) + middle(granule))
  }

  /// The root that this CPU's walker uses, without the bits of TTBR0_EL1 for an address space.
  public static var root: PhysicalAddress {
    PhysicalAddress(UInt64(arm64_read_ttbr0_el1()) & 0x0000_ffff_ffff_fffe)
  }
}

#endif
