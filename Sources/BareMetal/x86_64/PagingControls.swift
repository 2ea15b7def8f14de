#if arch(x86_64)

private import CBareMetal
public import KernelMemory

// The control registers that give a page-table entry its meaning. They are set once, before the
// manager's tables are loaded:
//
// - EFER.NXE, without which bit 63 of an entry is reserved (Intel SDM vol. 3A, 4.1.4);
// - CR0.WP, without which the kernel writes to read-only pages (4.6.1);
// - CR4.PGE, without which the global bit is ignored (4.10.2.4);
// - the page attribute table, which turns an entry's three cache bits into a type (13.12.2).

/// This CPU's paging registers.
public enum PagingControls {
  /// The type of each of the eight indices, a byte each from the lowest: WB, WC, UC-, UC, WB, WP, UC-,
  /// WT (Intel SDM vol. 3A, table 13-10 for the encodings). It is what the x86-64 format writes its
  /// entries for. Index 0 keeps the type that it has after a reset, WB, and so do the boot code's
  /// leaves: no page that is in use changes its type, and no cache need be flushed.
  static var pageAttributeTable: UInt { 0x0407_0506_0007_0106 }

  private enum ModelSpecificRegister {
    static var pageAttributeTable: UInt32 { 0x277 }
    static var extendedFeatures: UInt32 { 0xc000_0080 }
  }

  private enum Bit {
    static var writeProtect: UInt { 1 << 16 }  // CR0.WP
    static var globalPages: UInt { 1 << 7 }  // CR4.PGE
    static var fiveLevels: UInt { 1 << 12 }  // CR4.LA57
    static var noExecute: UInt { 1 << 11 }  // EFER.NXE
  }

  /// Whether this CPU reads entries as the x86-64 format writes them: `prepare()` was called on it.
  public static var isPrepared: Bool {
    x86_read_msr(ModelSpecificRegister.extendedFeatures) & Bit.noExecute != 0
      && x86_read_msr(ModelSpecificRegister.pageAttributeTable) == pageAttributeTable
      && x86_read_cr0() & Bit.writeProtect != 0 && x86_read_cr4() & Bit.globalPages != 0
  }

  /// Makes this CPU read entries as the x86-64 format writes them. Throws, with nothing changed, where it
  /// cannot.
  public static func prepare() throws(MissingFeature) {
    try ProcessorFeatures.check()
    let features = ModelSpecificRegister.extendedFeatures
    x86_write_msr(features, x86_read_msr(features) | Bit.noExecute)
    x86_write_msr(ModelSpecificRegister.pageAttributeTable, pageAttributeTable)
    x86_write_cr0(x86_read_cr0() | Bit.writeProtect)
    x86_write_cr4(x86_read_cr4() | Bit.globalPages)
    flushEverything()
  }

  /// How many levels of tables this CPU walks: five where the boot code has set CR4.LA57, which can be done
  /// with paging off alone (Intel SDM vol. 3A, 4.1.2).
  public static var levels: PageTableFormatChoice.X86_64Levels {
    x86_read_cr4() & Bit.fiveLevels != 0 ? .five : .four
  }

  /// How many bits of a virtual address it translates (4.5).
  static var addressBits: Int { levels == .five ? 57 : 48 }

  /// Switches this CPU to the tables below `root`, which translate addresses of `addressBits`; nothing of the
  /// old ones stays in its TLB.
  /// - Throws: `pagingNotPrepared` where `prepare()` was not called on this CPU, `addressWidthDiffers` where
  ///   it walks another number of levels: the first use of an entry would fault, and the fault of its handler
  ///   would reset the machine without a word.
  public static func load(root: PhysicalAddress, addressBits: Int) throws(MemoryError) {
    guard isPrepared else { throw .pagingNotPrepared }
    guard addressBits == Self.addressBits else { throw .addressWidthDiffers(formatBits: addressBits) }
    x86_write_cr3(UInt(root.rawValue))
    flushEverything()
  }

  /// The root that this CPU's walker uses, without the cache bits of CR3.
  public static var root: PhysicalAddress {
    PhysicalAddress(UInt64(x86_read_cr3()) & 0x000f_ffff_ffff_f000)
  }

  /// A change of CR4.PGE invalidates everything that this CPU has cached of any translation: global
  /// entries and the paging-structure caches included (Intel SDM vol. 3A, 4.10.4.1). Where the bit is off
  /// there are no global entries, and clearing it again would change nothing: a load of CR3 invalidates all
  /// others.
  static func flushEverything() {
    let value = x86_read_cr4()
    guard value & Bit.globalPages != 0 else { return x86_write_cr3(x86_read_cr3()) }
    x86_write_cr4(value & ~Bit.globalPages)
    x86_write_cr4(value)
  }

  /// One INVLPG a page: it takes global entries too, and every paging-structure cache entry of the
  /// current PCID whatever the address (Intel SDM vol. 3A, 4.10.4.1). One that falls inside a large
  /// leaf takes the whole leaf's translation, so a step of a base page covers every leaf size.
  static func flush(from start: UInt, upTo end: UInt) {
    let count = PageCount(bytes: UInt64(end &- start), .size4K).rawValue
    for index in 0..<UInt(count) { x86_invlpg(start &+ index &* UInt(PageSize.size4K.bytes)) }
  }
}

#endif
