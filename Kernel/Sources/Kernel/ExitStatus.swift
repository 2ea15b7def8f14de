import BareMetal

/// How the kernel's run ended. QEMU turns a value into the process status `(value << 1) | 1`, which
/// no guest can make zero: success is 33.
enum ExitStatus: UInt8 {
  /// The job ran, and its verdict is good. Process status 33.
  case success = 16
  /// The job ran, and found something wrong. 35.
  case jobFailed = 17
  /// An exception that nobody expected. 37.
  case fault = 18
  /// This machine or its loader cannot run the kernel, or an invariant of it is broken. 39. In boot.S too.
  case panic = 19
  /// What the kernel was given to do makes no sense: its command line, or the trace. 41.
  case badInput = 20
}

/// Ends the emulator; on a machine that is none, halts.
func exit(_ status: ExitStatus) -> Never {
  DebugExit.standard.exit(status.rawValue)
}
