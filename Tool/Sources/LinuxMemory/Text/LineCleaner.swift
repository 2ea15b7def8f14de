// Undoes what mail programs, terminals and web pages do to a line: quoted-printable, no-break spaces,
// byte-order marks, colours, entities. Nothing here knows what the line says.

/// A line after cleaning.
struct CleanedLine {
  var bytes: [UInt8]
  /// Something other than a blank was replaced.
  var wasMended = false
  /// The line goes on in the next one without a blank between: quoted-printable's `=`, or a break at a dash.
  var isBroken = false
}

enum LineCleaner {
  /// Whether a line ends as only quoted-printable text does; `N0=20` does so, too, and loses nothing by it.
  @inline(__always)
  static func mayBeEncoded(_ line: Span<UInt8>) -> Bool {
    var end = line.count
    while end > 0, line.byte(end - 1).isSpace { end -= 1 }
    return end > 0 && line.byte(end - 1) == 0x3D || line.has("=20", at: end - 3)
  }

  /// The line without damage.
  static func clean(_ line: Span<UInt8>) -> CleanedLine {
    var result = CleanedLine(bytes: [])
    result.bytes.reserveCapacity(line.count)
    let isQuotedPrintable = line.find("=3D") != nil || line.find("=C2=A0") != nil
    var end = line.count
    while end > 0, line.byte(end - 1).isSpace { end -= 1 }
    if end > 0, line.byte(end - 1) == 0x3D {
      result.isBroken = true
      result.wasMended = true
      end -= 1
    }
    var at = 0
    while at < end {
      if let (length, replacement) = damage(line, at, end, isQuotedPrintable) {
        result.wasMended = true
        if let replacement { result.bytes.append(replacement) }
        at += length
      } else {
        result.bytes.append(line.byte(at))
        at += 1
      }
    }
    if !result.isBroken, breaksAtDash(result.bytes) { result.isBroken = true }
    return result
  }

  /// The length of a damaged place, and the byte to put there, if any.
  private static func damage(
    _ line: Span<UInt8>, _ at: Int, _ end: Int, _ isQuotedPrintable: Bool
  ) -> (Int, UInt8?)? {
    switch line.byte(at) {
    case 0x3D
    where isQuotedPrintable || (at + 3 == end && line.has("=20", at: at) && !isNumber(line, before: at)):
      return encoded(line, at, end)
    case 0x1B: return escape(line, at, end)
    case 0x26: return entity(line, at)
    case 0xC2 where line.has("\u{A0}", at: at): return (2, 0x20)
    case 0xE2 where at + 2 < end && line.byte(at + 1) == 0x80:
      let last = line.byte(at + 2)
      if last == 0xA6 { return (3, 0x2E) }
      if last == 0x90 || last == 0x91 || last == 0x93 || last == 0x94 { return (3, 0x2D) }
      return last <= 0x8A || last == 0xAF ? (3, 0x20) : last <= 0x8F ? (3, nil) : nil
    case 0xE3 where line.has("\u{3000}", at: at): return (3, 0x20)
    case 0xEF where line.has("\u{FEFF}", at: at): return (3, nil)
    default: return nil
    }
  }

  /// `=3D`; a no-break space in that form is two of them.
  private static func encoded(_ line: Span<UInt8>, _ at: Int, _ end: Int) -> (Int, UInt8?)? {
    if line.has("=C2=A0", at: at) { return (6, 0x20) }
    guard at + 2 < end else { return nil }
    let high = line.byte(at + 1).hexValue
    let low = line.byte(at + 2).hexValue
    return high > 15 || low > 15 ? nil : (3, high << 4 | low)
  }

  /// Whether `=20` belongs to `pages=20` or `N0=20`.
  private static func isNumber(_ line: Span<UInt8>, before at: Int) -> Bool {
    at > 0 && line.byte(at - 1).isDigit || line.has("pages", at: at - 5) || line.has("phys", at: at - 4)
  }

  /// A colour or another sequence of a terminal: ESC [ … letter.
  private static func escape(_ line: Span<UInt8>, _ at: Int, _ end: Int) -> (Int, UInt8?)? {
    guard line.has("[", at: at + 1) else { return (1, nil) }
    var next = at + 2
    while next < end, line.byte(next) < 0x40 { next += 1 }
    return (Swift.min(next + 1, end) - at, nil)
  }

  private static func entity(_ line: Span<UInt8>, _ at: Int) -> (Int, UInt8?)? {
    if line.has("&gt;", at: at) { return (4, 0x3E) }
    if line.has("&lt;", at: at) { return (4, 0x3C) }
    if line.has("&nbsp;", at: at) { return (6, 0x20) }
    return line.has("&amp;", at: at) ? (5, 0x26) : nil
  }

  /// Whether a line ends inside a pair of addresses, behind the dash.
  private static func breaksAtDash(_ bytes: [UInt8]) -> Bool {
    guard bytes.count >= 9, bytes.last == 0x2D else { return false }
    return bytes.dropLast().suffix(8).allSatisfy { $0.isHex }
  }
}
