#if arch(x86_64)

private import CBareMetal

// What the x86-64 page-table formats ask of a CPU, by CPUID (Intel SDM vol. 2A, CPUID, tables "Feature
// Information Returned in the EDX Register" and "Extended Function CPUID Information"). A CPU without one
// of the first four would find a reserved bit set in a table entry and fault at its first use, which
// tells nobody anything; so the question comes first, and the answer has a name.

/// A feature that this CPU lacks and the kernel's page tables need.
public enum MissingFeature: Error {
  case modelSpecificRegisters, globalPages, pageAttributeTable, noExecute

  public var name: StaticString {
    switch self {
    case .modelSpecificRegisters: "model-specific registers (CPUID.01H:EDX.MSR)"
    case .globalPages: "global pages (CPUID.01H:EDX.PGE)"
    case .pageAttributeTable: "the page attribute table (CPUID.01H:EDX.PAT)"
    case .noExecute: "no-execute pages (CPUID.80000001H:EDX.NX)"
    }
  }
}

/// What this CPU says of itself.
public enum ProcessorFeatures {
  /// Whether a page-table entry may map 1 GiB.
  public static var hasGigabyteLeaves: Bool { extended & 1 << 26 != 0 }

  /// Whether an access finds what caches hold, whatever its memory type: "self snoop" (CPUID.01H:EDX.SS).
  public static var snoopsItself: Bool { basic & 1 << 27 != 0 }

  /// The bytes that CLFLUSH takes (CPUID.01H:EBX, in units of 8); nil where there is none.
  static var cacheLineSize: UInt? {
    let size = UInt(x86_cpuid(0x1, 0).ebx >> 8 & 0xff) * 8
    return basic & 1 << 19 == 0 || size == 0 ? nil : size
  }

  /// Throws for the first feature that is missing.
  public static func check() throws(MissingFeature) {
    guard basic & 1 << 5 != 0 else { throw .modelSpecificRegisters }
    guard basic & 1 << 13 != 0 else { throw .globalPages }
    guard basic & 1 << 16 != 0 else { throw .pageAttributeTable }
    guard extended & 1 << 20 != 0 else { throw .noExecute }
  }

  private static var basic: UInt32 { x86_cpuid(0x1, 0).edx }
  private static var extended: UInt32 { x86_cpuid(0x8000_0001, 0).edx }
}

#endif
