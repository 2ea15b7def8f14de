// Reading text as bytes: what every parser here is made of. White space is any byte up to 0x20, so that tabs,
// carriage returns and NUL bytes separate words as spaces do.

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

extension UInt8 {
  init(ascii scalar: Unicode.Scalar, or other: UInt8 = 0) {
    self = scalar.isASCII ? UInt8(scalar.value) : other
  }

  @inline(__always) var isSpace: Bool { self <= 0x20 }

  @inline(__always) var isDigit: Bool { self &- 0x30 < 10 }

  /// The value of a hexadecimal digit, or 255.
  @inline(__always) var hexValue: UInt8 {
    let digit = self &- 0x30
    if digit < 10 { return digit }
    let letter = (self | 0x20) &- 0x61
    return letter < 6 ? letter &+ 10 : 255
  }

  @inline(__always) var isHex: Bool { hexValue != 255 }

  /// Letters, digits, and what else the names of functions and modules have.
  var isNameByte: Bool {
    isDigit || (self | 0x20) &- 0x61 < 26 || self == 0x5F || self == 0x2E || self == 0x24
  }
}

extension Span where Element == UInt8 {
  /// The byte at an index that the caller has compared with `count`.
  @inline(__always) func byte(_ index: Int) -> UInt8 { unsafe self[unchecked: index] }

  /// Moves an index past white space.
  @inline(__always) func skipSpaces(_ at: inout Int) {
    while at < count, byte(at).isSpace { at += 1 }
  }

  /// Moves an index to the next white space, or the end.
  @inline(__always) func skipWord(_ at: inout Int) {
    while at < count, !byte(at).isSpace { at += 1 }
  }

  /// Whether `text` stands at an index.
  @inline(__always) func has(_ text: StaticString, at index: Int) -> Bool {
    let length = text.utf8CodeUnitCount
    if index < 0 || count - index < length { return false }
    for offset in 0..<length {
      if unsafe byte(index + offset) != text.utf8Start[offset] { return false }
    }
    return true
  }

  /// Whether the bytes of a range are exactly `text`.
  @inline(__always) func isWord(_ text: StaticString, _ range: Range<Int>) -> Bool {
    range.count == text.utf8CodeUnitCount && has(text, at: range.lowerBound)
  }

  /// Where `text` first stands from an index on.
  func find(_ text: StaticString, from start: Int = 0) -> Int? {
    let length = text.utf8CodeUnitCount
    if length == 0 || start < 0 || count - start < length { return nil }
    return unsafe withUnsafeBufferPointer { bytes in
      guard let base = unsafe UnsafeRawPointer(bytes.baseAddress) else { return nil }
      let wanted = unsafe text.utf8Start
      var at = start
      while at <= bytes.count - length {
        let hit = unsafe memchr(base + at, Int32(wanted[0]), bytes.count - length - at + 1)
        guard let hit = unsafe hit else { return nil }
        let place = unsafe UnsafeRawPointer(hit) - base
        if unsafe memcmp(base + place, wanted, length) == 0 { return place }
        at = place + 1
      }
      return nil
    }
  }

  /// A hexadecimal number without `0x`; nil where there is none, or where it takes more than 64 bits.
  @inline(__always) func hexadecimal(_ at: inout Int) -> UInt64? {
    var value: UInt64 = 0
    let begin = at
    while at < count {
      let digit = byte(at).hexValue
      if digit == 255 { break }
      if value >> 60 != 0 { return nil }
      value = value << 4 | UInt64(digit)
      at += 1
    }
    return at > begin ? value : nil
  }

  /// A decimal number; nil where there is none, or where it takes more than 64 bits.
  @inline(__always) func decimal(_ at: inout Int) -> UInt64? {
    var value: UInt64 = 0
    let begin = at
    while at < count, byte(at).isDigit {
      if value >= 1_000_000_000_000_000_000 {
        let (tens, over) = value.multipliedReportingOverflow(by: 10)
        let (sum, carry) = tens.addingReportingOverflow(UInt64(byte(at) - 0x30))
        if over || carry { return nil }
        value = sum
      } else {
        value = value &* 10 &+ UInt64(byte(at) &- 0x30)
      }
      at += 1
    }
    return at > begin ? value : nil
  }

  /// The words of a range, as ranges.
  func words(in range: Range<Int>) -> [Range<Int>] {
    var found: [Range<Int>] = []
    var at = range.lowerBound
    while at < range.upperBound {
      if byte(at).isSpace {
        at += 1
        continue
      }
      let begin = at
      while at < range.upperBound, !byte(at).isSpace { at += 1 }
      found.append(begin..<at)
    }
    return found
  }

  /// The bytes of a range as text; what is not UTF-8 becomes U+FFFD.
  func text(_ range: Range<Int>) -> String {
    String(decoding: array(range), as: UTF8.self)
  }

  /// A copy of a range.
  func array(_ range: Range<Int>) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(range.count)
    for index in range { bytes.append(byte(index)) }
    return bytes
  }
}

extension UInt64 {
  /// A sum that stays at the largest number instead of wrapping: a wrong line must not end the program.
  @inline(__always) func clampedAdd(_ other: UInt64) -> UInt64 {
    let (sum, over) = addingReportingOverflow(other)
    return over ? .max : sum
  }

  /// A product that stays at the largest number.
  @inline(__always) func clampedMultiply(_ other: UInt64) -> UInt64 {
    let (product, over) = multipliedReportingOverflow(by: other)
    return over ? .max : product
  }
}
