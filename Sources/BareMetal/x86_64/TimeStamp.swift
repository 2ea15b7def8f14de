#if arch(x86_64)

private import CBareMetal

/// The time-stamp counter of this CPU (Intel SDM vol. 3B, 18.17).
public enum TimeStamp {
  /// The counter, read after all earlier instructions have executed and before any later one begins.
  public static var now: UInt64 { UInt64(x86_read_timestamp()) }

  /// Whether the counter runs at one rate in every state of the CPU (CPUID.80000007H:EDX, bit 8). Where it
  /// does not, a difference of two values is no time: the rate follows the clock of the core, and stands
  /// still with it.
  public static var isInvariant: Bool {
    x86_cpuid(0x8000_0000, 0).eax >= 0x8000_0007 && x86_cpuid(0x8000_0007, 0).edx & 1 << 8 != 0
  }
}

#endif
