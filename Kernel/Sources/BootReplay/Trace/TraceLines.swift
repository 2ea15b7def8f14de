// Lines
//
// A recording is text, its lines end with a line feed, and the last one does too: ftrace never writes
// half a line, so a last line without an end is a file that was cut off. A task may have any byte in its
// name but NUL, an escape sequence too; so NUL alone is known here for a byte that no text has, and other
// control characters are one where their line turns out to be no line of a recording (`TraceReader`).

/// The lines of a recording, in order.
struct TraceLines {
  private let text: TraceText
  private var position = 0
  /// The number of the line that `next` returned last; zero before.
  private(set) var number: UInt64

  /// - Parameter number: the number of the line before the first one.
  init(_ text: TraceText, behind number: UInt64 = 0) {
    self.text = text
    self.number = number
  }

  /// The next line without its end, or nil behind the last one. Behind an error it goes on with the line
  /// after the bad one.
  mutating func next() throws(TraceError) -> TraceText? {
    guard position < text.count else { return nil }
    number += 1
    if number == 1, text.hasByteOrderMark {
      position = text.index(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? text.count
      throw TraceError(line: number, .byteOrderMark)
    }
    let start = position
    while let control = text.indexOfControl(from: position) {
      position = control + 1
      let byte = text[control]
      if byte == UInt8(ascii: "\n") { return text.cut(from: start, upTo: control).withoutCarriageReturn }
      guard byte != 0 else { throw skipLine(from: start) }
    }
    position = text.count
    let rest = text.cut(from: start)
    throw TraceError(line: number, rest.firstControl.map { .notText($0) } ?? .truncated)
  }

  /// Skips a line that has a NUL, which is named by its first control character: the magic number of a
  /// compressed file, say.
  private mutating func skipLine(from start: Int) -> TraceError {
    let end = text.index(of: UInt8(ascii: "\n"), from: position) ?? text.count
    position = min(end + 1, text.count)
    return TraceError(line: number, .notText(text.cut(from: start, upTo: end).firstControl ?? 0))
  }
}

extension TraceText {
  /// A file that went through another system has line ends of two bytes.
  fileprivate var withoutCarriageReturn: TraceText {
    guard count > 0, self[count - 1] == UInt8(ascii: "\r") else { return self }
    return cut(from: 0, upTo: count - 1)
  }

  /// U+FEFF in UTF-8, or in UTF-16 of either order.
  fileprivate var hasByteOrderMark: Bool {
    guard count >= 2 else { return false }
    if self[0] == 0xef { return count >= 3 && self[1] == 0xbb && self[2] == 0xbf }
    return self[0] == 0xff && self[1] == 0xfe || self[0] == 0xfe && self[1] == 0xff
  }

  /// The first control character that is no tab.
  var firstControl: UInt8? {
    var index = 0
    while index < count {
      let byte = self[index]
      if byte < 0x20 ? byte != UInt8(ascii: "\t") : byte == 0x7f { return byte }
      index += 1
    }
    return nil
  }
}

extension UInt8 {
  var isBlank: Bool { self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") }

  var isDigit: Bool { self >= UInt8(ascii: "0") && self <= UInt8(ascii: "9") }

  /// The value of a hexadecimal digit.
  var hexDigitValue: UInt64? {
    switch self {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(self - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(self - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(self - UInt8(ascii: "A") + 10)
    default: nil
    }
  }
}
