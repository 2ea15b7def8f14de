#if arch(arm64)

private import CBareMetal

// What SCTLR_EL1 offers besides translation (Arm ARM, D19.2):
//
// - PAN, where the CPU has it: the kernel does not touch by accident what belongs to EL0. A kernel that
//   touches such memory on purpose clears it meanwhile, or uses LDTR and STTR. SPAN clear sets it at each
//   exception.
// - SA: an access by a stack pointer that is not a multiple of 16 faults.
// - WXN: what is writable is never executed, whatever an entry says.

/// This CPU's protections besides those of its page tables.
public enum ProcessorProtection {
  private enum Bit {
    static var stackAlignment: UInt { 1 << 3 }
    static var writeExecuteNever: UInt { 1 << 19 }
    static var keepsPAN: UInt { 1 << 23 }
  }

  /// Switches on what this CPU has, but for WXN. It changes no translation of a kernel's own memory.
  public static func enable() {
    var control = arm64_read_sctlr_el1() | Bit.stackAlignment
    if ProcessorFeatures.hasPrivilegedAccessNever {
      control &= ~Bit.keepsPAN
      arm64_set_pan()
    }
    arm64_write_sctlr_el1(control)
    arm64_isb()
  }

  /// Switches on WXN, with tables in use by which no running code is writable. Mappings with
  /// `Protection.writableExecutable` then fault where they are executed.
  public static func forbidWritableCode() {
    arm64_write_sctlr_el1(arm64_read_sctlr_el1() | Bit.writeExecuteNever)
    arm64_isb()
    // The bit may be cached in TLBs (D8.4).
    arm64_dsb_nsh()
    arm64_tlbi_vmalle1()
    arm64_dsb_nsh()
    arm64_isb()
  }
}

#endif
