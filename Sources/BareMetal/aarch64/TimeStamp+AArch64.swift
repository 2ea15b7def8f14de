#if arch(arm64)

private import CBareMetal

/// The system counter, which all CPUs share (Arm ARM, D11).
public enum TimeStamp {
  /// The counter, read after all earlier instructions have executed.
  public static var now: UInt64 { UInt64(arm64_read_counter()) }

  /// Its counts in a second, as firmware has said.
  public static var frequency: UInt64 { UInt64(arm64_read_cntfrq_el0()) }

  /// It runs at one rate in every state of the CPU.
  public static var isInvariant: Bool { true }
}

/// The cycle counter of this CPU (Arm ARM, D13.2).
public enum CycleCounter {
  private enum Bit {
    // PMCR_EL0
    static var enable: UInt { 1 << 0 }
    static var resetCycles: UInt { 1 << 2 }
    static var longCycles: UInt { 1 << 6 }
    // PMCNTENSET_EL0
    static var cycles: UInt { 1 << 31 }
  }

  /// Has it count on this CPU, from zero, in 64 bits.
  public static func start() {
    arm64_write_pmccfiltr_el0(0)
    arm64_write_pmcntenset_el0(Bit.cycles)
    arm64_write_pmcr_el0(arm64_read_pmcr_el0() | Bit.enable | Bit.resetCycles | Bit.longCycles)
    arm64_isb()
  }

  /// The counter, read after all earlier instructions have executed.
  public static var now: UInt64 { UInt64(arm64_read_cycles()) }
}

#endif
