#if arch(arm64)

private import CBareMetal
public import KernelMemory

// What the AArch64 page-table format asks of a CPU, by its ID registers (Arm ARM, D19.2). A CPU that is set
// up for a granule that it lacks does not fault: it hangs. So the question comes first, and the answer has a
// name.

/// A feature that this CPU lacks and the kernel's page tables need.
public enum MissingFeature: Error {
  case granuleOf4K, granuleOf16K, granuleOf64K

  public var name: StaticString {
    switch self {
    case .granuleOf4K: "pages of 4 KiB (ID_AA64MMFR0_EL1.TGran4)"
    case .granuleOf16K: "pages of 16 KiB (ID_AA64MMFR0_EL1.TGran16)"
    case .granuleOf64K: "pages of 64 KiB (ID_AA64MMFR0_EL1.TGran64)"
    }
  }
}

/// What this CPU says of itself.
public enum ProcessorFeatures {
  /// Throws where its tables cannot have pages of this size.
  public static func check(granule: PageSize) throws(MissingFeature) {
    switch granule {
    case .size16K: guard field(20) != 0 else { throw .granuleOf16K }
    case .size64K: guard field(24) != 0xf else { throw .granuleOf64K }
    default: guard field(28) != 0xf else { throw .granuleOf4K }
    }
  }

  /// The size of physical addresses, as TCR_EL1.IPS has it: of 48 bits at most, since more of them need other
  /// entries.
  static var physicalAddressSize: UInt { min(field(0), 5) }

  /// Whether there is PSTATE.PAN.
  static var hasPrivilegedAccessNever: Bool { arm64_read_id_aa64mmfr1_el1() >> 20 & 0xf != 0 }

  /// Whether there is TLBI by range, FEAT_TLBIRANGE (ID_AA64ISAR0_EL1.TLB).
  public static var hasRangeInvalidation: Bool { arm64_read_id_aa64isar0_el1() >> 56 & 0xf >= 2 }

  /// The bytes of a line of the data caches, of the smallest that there is (CTR_EL0.DminLine).
  static var dataLineSize: UInt { 4 << (arm64_read_ctr_el0() >> 16 & 0xf) }

  /// The same of the instruction caches (CTR_EL0.IminLine).
  static var instructionLineSize: UInt { 4 << (arm64_read_ctr_el0() & 0xf) }

  /// Four bits of ID_AA64MMFR0_EL1.
  private static func field(_ shift: UInt) -> UInt { arm64_read_id_aa64mmfr0_el1() >> shift & 0xf }
}

#endif
