// What stands before the words of a line that goes on from the one before, or that is none of a list:
// quoting, comment and list marks, and the prefixes of kernel logs. Before a pair of addresses no such
// knowledge is needed: whatever stands there is a prefix.

enum LinePrefix {
  /// The number of bytes before the text proper.
  static func length(_ line: Span<UInt8>) -> Int {
    var at = 0
    while true {
      let before = at
      skipMarks(line, &at)
      skipPriority(line, &at)
      skipTimestamp(line, &at)
      skipJournal(line, &at)
      line.skipSpaces(&at)
      if at == before { return at }
    }
  }

  /// `>`, `|`, `#`, `*`, and the marks of diff, where a blank or another mark follows.
  private static func skipMarks(_ line: Span<UInt8>, _ at: inout Int) {
    line.skipSpaces(&at)
    while at < line.count {
      switch line.byte(at) {
      case 0x3E, 0x7C, 0x23, 0x2A, 0x2B, 0x3C: at += 1
      case 0x2D where at + 1 < line.count && line.byte(at + 1).isSpace: at += 1
      default: return
      }
      line.skipSpaces(&at)
    }
  }

  /// `<6>`, once its `<` was taken for a mark: `6>`.
  private static func skipPriority(_ line: Span<UInt8>, _ at: inout Int) {
    if at > 0, line.byte(at - 1) == 0x3C, at + 1 < line.count, line.byte(at).isDigit,
      line.byte(at + 1) == 0x3E
    {
      at += 2
    }
  }

  /// `[ 1234.500000]`, `[T123]`, `[Thu Nov 26 17:16:11 2026]`: brackets with a digit that do not name a
  /// module.
  private static func skipTimestamp(_ line: Span<UInt8>, _ at: inout Int) {
    guard line.has("[", at: at) else { return }
    var end = at + 1
    var hasDigit = false
    var hasMark = false
    while end < line.count, line.byte(end) != 0x5D {
      let byte = line.byte(end)
      if byte.isDigit { hasDigit = true }
      if byte == 0x2E || byte == 0x3A { hasMark = true }
      end += 1
    }
    let isThread = line.has("[T", at: at) && at + 2 < end && line.byte(at + 2).isDigit
    if end < line.count, hasDigit && hasMark || isThread { at = end + 1 }
  }

  /// `Nov 26 17:16:11 host kernel: ` and its kin, which end in `kernel: `; the log's own stamp may follow.
  private static func skipJournal(_ line: Span<UInt8>, _ at: inout Int) {
    if let place = line.find("kernel: ", from: at) {
      at = place + 8
    } else if let place = line.find("kernel:[", from: at) {
      at = place + 7
    }
  }
}
