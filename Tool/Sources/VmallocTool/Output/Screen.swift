/// Standard output and standard error.
enum Screen {
  /// The width of the terminal, or nil where output goes elsewhere.
  static var width: Int? {
    guard isatty(STDOUT_FILENO) == 1 else { return nil }
    var size = winsize()
    if unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 { return Int(size.ws_col) }
    return Int(Environment.value("COLUMNS")) ?? 80
  }

  /// Writes lines in one go. A reader that went away ends the program quietly, as it does other tools.
  static func print(_ lines: [String]) { write(lines.joined(separator: "\n") + (lines.isEmpty ? "" : "\n")) }

  /// Writes text to standard output.
  static func write(_ text: String) { write(text, to: STDOUT_FILENO) }

  /// Writes a line to standard error.
  static func complain(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

  /// Writes to standard error without a line end.
  static func tell(_ text: String) { write(text, to: STDERR_FILENO) }

  private static func write(_ text: String, to descriptor: Int32) {
    var bytes = text[...].utf8
    while !bytes.isEmpty {
      let piece = Array(bytes.prefix(1 << 16))
      let written = unsafe piece.withUnsafeBytes { unsafe writeBytes($0, to: descriptor) }
      if written < 0 && errno == EINTR { continue }
      if written <= 0 { end(descriptor, errno) }
      bytes = bytes.dropFirst(written)
    }
  }

  /// Ends the program where it cannot write: a full disk is told, a reader that went away is not.
  private static func end(_ descriptor: Int32, _ number: Int32) -> Never {
    if number == EPIPE { exit(0) }
    if descriptor != STDERR_FILENO {
      complain("vmalloc: cannot write the output: \(unsafe String(cString: strerror(number))).")
    }
    exit(ExitStatus.unreadable.rawValue)
  }
}

/// What `write` does, for those who have a function of that name themselves.
func writeBytes(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int {
  unsafe write(descriptor, bytes.baseAddress, bytes.count)
}
