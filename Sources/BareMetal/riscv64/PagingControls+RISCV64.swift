#if arch(riscv64)

private import CBareMetal
internal import CMachine
public import KernelMemory

// satp: how many levels of tables a hart walks, and where their root is (Privileged Architecture, 12.1.11). A
// mode that a hart lacks is not written, and what is read back says so; nothing else happens.

/// This hart's translation.
public enum PagingControls {
  /// satp.MODE for addresses of so many bits: Sv39, Sv48, Sv57.
  private static func mode(_ addressBits: Int) -> UInt? {
    switch addressBits {
    case 39: 8
    case 48: 9
    case 57: 10
    default: nil
    }
  }

  /// Switches this hart to the tables below `root`, in which this code is mapped where it is executed now, as
  /// is what it uses; nothing of the old ones stays in its TLB. Call with interrupts off.
  /// - Parameter addressBits: as `Bootstrap.addressBits` has them.
  /// - Throws: `addressWidthDiffers`, with nothing changed, where the hart does not walk so many levels.
  public static func load(root: PhysicalAddress, addressBits: Int) throws(MemoryError) {
    guard let mode = mode(addressBits) else { throw .addressWidthDiffers(formatBits: addressBits) }
    let satp = mode << 60 | UInt(root.rawValue >> 12)
    riscv_sfence_vma()
    riscv_write_satp(satp)
    guard riscv_read_satp() == satp else { throw .addressWidthDiffers(formatBits: addressBits) }
    riscv_sfence_vma()
  }

  /// The root that this hart walks from; zero where it does not translate.
  public static var root: PhysicalAddress {
    PhysicalAddress(UInt64(riscv_read_satp() & (1 << 44 - 1)) << 12)
  }

  /// How many bits of an address this hart translates; zero where it does not.
  public static var addressBits: Int {
    switch riscv_read_satp() >> 60 {
    case 8: 39
    case 9: 48
    case 10: 57
    default: 0
    }
  }

  /// Everything that this hart has cached of any translation. The fence has the request, and what other
  /// harts have cleared, be seen before.
  static func flushEverything() {
    riscv_fence()
    riscv_sfence_vma()
  }

  /// Leaves for the addresses of ranges; what leads to them stays (12.2.1).
  @unsafe
  static func flush(_ ranges: UnsafePointer<cmachine_range>, _ count: Int) {
    riscv_fence()
    unsafe forEachRange(ranges, count, pageShift: UInt(PageSize.size4K.shift)) { start, pages in
      for page in 0..<pages { riscv_sfence_vma_at(start &+ page &<< UInt(PageSize.size4K.shift)) }
    }
  }
}

#endif
