#if arch(x86_64)

private import CBareMetal

// What CR4 and CR0 offer besides paging, by CPUID (Intel SDM vol. 3A, 2.5): each CPU switches on what it has.
//
// - CR4.MCE: a machine check is an exception that names the fault; without the bit it resets the machine in
//   silence.
// - CR4.SMEP, SMAP: the kernel neither runs nor touches by accident what belongs to ring 3 (4.6). A kernel
//   that touches such memory on purpose does that between STAC and CLAC.
// - CR4.UMIP: ring 3 does not read where the descriptor tables lie.
// - CR0.NE, MP, and neither EM nor TS: an error of the x87 unit is exception 16 and no interrupt of the
//   legacy controllers, and using the unit traps nowhere (2.5, 9.2).

/// This CPU's protections besides those of its page tables.
public enum ProcessorProtection {
  /// Switches on all that this CPU has. It changes no translation.
  public static func enable() {
    let set = CR0.monitorCoprocessor | CR0.numericError
    x86_write_cr0((x86_read_cr0() | set) & ~(CR0.emulation | CR0.taskSwitched))
    x86_write_cr4(x86_read_cr4() | supported)
  }

  private enum CR0 {
    static var monitorCoprocessor: UInt { 1 << 1 }
    static var emulation: UInt { 1 << 2 }
    static var taskSwitched: UInt { 1 << 3 }
    static var numericError: UInt { 1 << 5 }
  }

  private enum CR4 {
    static var machineCheck: UInt { 1 << 6 }
    static var userModeInstructionPrevention: UInt { 1 << 11 }
    static var supervisorExecutionPrevention: UInt { 1 << 20 }
    static var supervisorAccessPrevention: UInt { 1 << 21 }
  }

  /// The bits of CR4 that this CPU does not refuse.
  private static var supported: UInt {
    var bits: UInt = 0
    if x86_cpuid(1, 0).edx & 1 << 7 != 0 { bits |= CR4.machineCheck }
    guard x86_cpuid(0, 0).eax >= 7 else { return bits }
    let features = x86_cpuid(7, 0)
    if features.ebx & 1 << 7 != 0 { bits |= CR4.supervisorExecutionPrevention }
    if features.ebx & 1 << 20 != 0 { bits |= CR4.supervisorAccessPrevention }
    if features.ecx & 1 << 2 != 0 { bits |= CR4.userModeInstructionPrevention }
    return bits
  }
}

#endif
