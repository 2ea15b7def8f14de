#if arch(x86_64)

private import CBareMetal

/// The time-stamp counter of this CPU (Intel SDM vol. 3B, 18.17).
public enum TimeStamp {
  /// The counter, read after all earlier instructions have executed.
  public static var now: UInt64 { UInt64(x86_read_timestamp()) }
}

#endif
