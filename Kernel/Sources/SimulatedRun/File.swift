internal import KernelMemory

/// Reads a whole file.
enum File {
  struct Failure: Error {
    /// What the system says.
    let reason: String
  }

  static func bytes(at path: String) throws(Failure) -> [UInt8] {
    let file = unsafe open(path, O_RDONLY)
    guard file >= 0 else { throw lastFailure() }
    defer { close(file) }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = unsafe block.withUnsafeMutableBytes { unsafe read(file, $0.baseAddress, $0.count) }
      if count == 0 { return bytes }
      if count > 0 {
        bytes.append(contentsOf: block[..<count])
      } else if errno != EINTR {
        throw lastFailure()
      }
    }
  }

  private static func lastFailure() -> Failure { Failure(reason: unsafe String(cString: strerror(errno))) }
}

/// Writes to this process's standard output, through the C library's buffer.
struct StandardOutput: TextSink {
  mutating func write(_ byte: UInt8) { putchar(Int32(byte)) }
}

/// Writes to this process's standard error.
func complain(_ message: String) {
  let line = "SimulatedRun: \(message)\n"
  _ = unsafe line.withCString { unsafe write(STDERR_FILENO, $0, strlen($0)) }
}
