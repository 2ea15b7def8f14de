#if arch(riscv64)

private import CBareMetal

/// The real-time counter, which all harts share (RISC-V vol. I, Zicntr). What its counts are in a second the
/// device tree says (`timebase-frequency`).
public enum TimeStamp {
  public static var now: UInt64 { UInt64(riscv_read_time()) }

  /// It runs at one rate in every state of the hart.
  public static var isInvariant: Bool { true }
}

/// The instructions that this hart has executed (instret), where firmware lets supervisor mode read them.
public enum InstructionCounter {
  public static var now: UInt64 { UInt64(riscv_read_instructions()) }
}

#endif
