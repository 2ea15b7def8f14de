#if arch(riscv64)

/// This hart's protections besides those of its page tables: SUM and MXR in sstatus, which are clear as
/// firmware leaves them, so that supervisor mode touches no page of user mode's.
public enum ProcessorProtection {
  /// Nothing is left to switch on.
  public static func enable() {}
}

#endif
