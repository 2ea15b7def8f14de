/// A place in one line, which moves to the right as parts are read.
struct TraceCursor {
  let text: TraceText
  let line: UInt64
  private(set) var position: Int

  init(_ text: TraceText, line: UInt64, at position: Int = 0) {
    self.text = text
    self.line = line
    self.position = position
  }

  var isAtEnd: Bool { position >= text.count }

  mutating func skipBlanks() {
    while position < text.count, text[position].isBlank { position += 1 }
  }

  /// The next run of characters that are not blank; empty at the end.
  mutating func word() -> TraceText {
    skipBlanks()
    let start = position
    while position < text.count, !text[position].isBlank { position += 1 }
    return text.cut(from: start, upTo: position)
  }

  /// Reads hexadecimal digits; false if there is none.
  mutating func skipHexDigits() -> Bool {
    let start = position
    while position < text.count, text[position].hexDigitValue != nil { position += 1 }
    return position > start
  }

  /// Reads `literal` if it comes next.
  mutating func skip(_ literal: StaticString) -> Bool {
    guard text.has(literal, at: position) else { return false }
    position += literal.utf8CodeUnitCount
    return true
  }

  /// Reads an address of a listing: hexadecimal, or a word that hides it, behind 0x or without.
  mutating func skipPointer() -> Bool {
    let hasPrefix = skip("0x")
    if skip("(") {
      while position < text.count, text[position] != UInt8(ascii: ")") {
        guard text[position].isLetterOfPointer else { return false }
        position += 1
      }
      return skip(")")
    }
    return hasPrefix && skipHexDigits()
  }

  /// The number behind `NAME: ` among arguments in parentheses; zero where it is not there. A negative number
  /// is the address of the same bits.
  func argument(_ field: TraceError.Field) throws(TraceError) -> UInt64 {
    var cursor = self
    while !cursor.isAtEnd {
      cursor.skipBlanks()
      guard cursor.skip(field.name), cursor.skip(":") else {
        _ = cursor.word()
        continue
      }
      cursor.skipBlanks()
      let isNegative = cursor.skip("-")
      let value = try cursor.number(field)
      guard cursor.skip(",") || cursor.skip(")") else { throw TraceError(line: line, .malformed(field)) }
      return isNegative ? 0 &- value : value
    }
    return 0
  }

  /// Reads `NAME=NUMBER`, or `NAME: NUMBER` as some of these events have it.
  mutating func number(of field: TraceError.Field) throws(TraceError) -> UInt64 {
    skipBlanks()
    guard skip(field.name) else { throw TraceError(line: line, .malformed(field)) }
    if !skip("=") {
      guard skip(": ") else { throw TraceError(line: line, .malformed(field)) }
      skipBlanks()
    }
    let value = try number(field)
    guard isAtEnd || text[position].isBlank else { throw TraceError(line: line, .malformed(field)) }
    return value
  }

  /// Reads digits, hexadecimal ones behind 0x, as far as they go.
  mutating func number(_ field: TraceError.Field) throws(TraceError) -> UInt64 {
    let isHexadecimal = skip("0x")
    let start = position
    guard let value = isHexadecimal ? hexadecimal() : decimal() else {
      throw TraceError(line: line, .overflow(field))
    }
    guard position > start else { throw TraceError(line: line, .malformed(field)) }
    return value
  }

  /// Nil where the digits are of more than 64 bits.
  private mutating func hexadecimal() -> UInt64? {
    var value: UInt64 = 0
    while position < text.count {
      let byte = text[position]
      var digit = byte &- UInt8(ascii: "0")
      if digit > 9 {
        let letter = (byte | 0x20) &- UInt8(ascii: "a")
        if letter > 5 { break }
        digit = letter + 10
      }
      if value >> 60 != 0 { return nil }
      value = value << 4 | UInt64(digit)
      position += 1
    }
    return value
  }

  private mutating func decimal() -> UInt64? {
    var value: UInt64 = 0
    while position < text.count {
      let digit = UInt64(text[position] &- UInt8(ascii: "0"))
      if digit > 9 { break }
      // Nineteen digits always fit.
      if value < 1_000_000_000_000_000_000 {
        value = value &* 10 &+ digit
      } else {
        let (product, isTooLarge) = value.multipliedReportingOverflow(by: 10)
        let (sum, overflow) = product.addingReportingOverflow(digit)
        if isTooLarge || overflow { return nil }
        value = sum
      }
      position += 1
    }
    return value
  }
}

extension UInt8 {
  /// What stands for an address that is hidden: `(ptrval)`, `(____ptrval____)`, `(null)`.
  fileprivate var isLetterOfPointer: Bool {
    self == UInt8(ascii: "_") || self >= UInt8(ascii: "a") && self <= UInt8(ascii: "z")
  }
}
