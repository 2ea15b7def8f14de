/// Where a report goes, byte by byte: a serial port, a buffer, a file. The core writes text without
/// ever holding any: there is no string to build, so none to allocate.
public protocol TextSink {
  /// Takes one byte of UTF-8.
  mutating func write(_ byte: UInt8)
}

extension TextSink {
  /// Writes a constant text.
  public mutating func write(_ text: StaticString) {
    text.withUTF8Buffer { utf8 in unsafe write(utf8: utf8) }
  }

  /// Writes bytes of UTF-8.
  public mutating func write(utf8 bytes: UnsafeBufferPointer<UInt8>) {
    var index = 0
    while index < bytes.count {
      unsafe write(bytes[index])
      index &+= 1
    }
  }

  /// The decimal digits of `value`, with spaces before them up to `width` characters.
  public mutating func write(decimal value: UInt64, width: Int = 0) {
    var power: UInt64 = 1
    var digits = 1
    while value / power >= 10 {
      power &*= 10
      digits &+= 1
    }
    pad(width &- digits, with: UInt8(ascii: " "))
    var rest = value
    while power > 0 {
      write(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest / power))
      rest %= power
      power /= 10
    }
  }

  /// The hexadecimal digits of `value`, lower case, with zeros before them up to `width` digits.
  public mutating func write(hex value: UInt64, width: Int = 0) {
    let digits = max(1, (67 &- value.leadingZeroBitCount) / 4)
    pad(width &- digits, with: UInt8(ascii: "0"))
    var shift = UInt64(digits &* 4)
    while shift > 0 {
      shift &-= 4
      let digit = UInt8(truncatingIfNeeded: value &>> shift) & 0xf
      write(digit < 10 ? UInt8(ascii: "0") &+ digit : UInt8(ascii: "a") &+ (digit &- 10))
    }
  }

  /// Ends the line.
  public mutating func newline() { write(UInt8(ascii: "\n")) }

  private mutating func pad(_ count: Int, with byte: UInt8) {
    var written = 0
    while written < count {
      write(byte)
      written &+= 1
    }
  }
}
