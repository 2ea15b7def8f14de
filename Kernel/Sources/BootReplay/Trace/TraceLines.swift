// Lines
//
// A recording is text, its lines end with a line feed, and the last one does too: ftrace never writes
// half a line, so a last line without an end is a file that was cut off. A file that is not text is
// found at its first byte that no text has, long before its size would matter.

/// The lines of a recording, in order.
struct TraceLines {
  private let text: TraceText
  private var position = 0
  /// The number of the line that `next` returned last; zero before.
  private(set) var number: UInt64 = 0

  init(_ text: TraceText) { self.text = text }

  /// The next line without its end, or nil behind the last one.
  mutating func next() throws(TraceError) -> TraceText? {
    guard position < text.count else { return nil }
    number += 1
    let start = position
    while position < text.count {
      let byte = text[position]
      if byte == UInt8(ascii: "\n") {
        let line = text.cut(from: start, upTo: position)
        position += 1
        return line.withoutCarriageReturn
      }
      guard byte.isTextual else { throw TraceError(line: number, .notText(byte)) }
      position += 1
    }
    throw TraceError(line: number, .truncated)
  }
}

extension TraceText {
  /// A file that went through another system has line ends of two bytes.
  fileprivate var withoutCarriageReturn: TraceText {
    guard count > 0, self[count - 1] == UInt8(ascii: "\r") else { return self }
    return cut(from: 0, upTo: count - 1)
  }
}

extension UInt8 {
  /// A tab, a carriage return, or no control character. What lies above ASCII may be in a task's name.
  fileprivate var isTextual: Bool {
    self >= 0x20 ? self != 0x7f : self == UInt8(ascii: "\t") || self == UInt8(ascii: "\r")
  }

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
