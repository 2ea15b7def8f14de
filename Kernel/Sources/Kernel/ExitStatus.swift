/// How the kernel's run ended. A value becomes the process status `(value << 1) | 1`: QEMU makes that of it
/// on x86-64, and so do other platforms. Success is 33, and no status of ours zero.
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
