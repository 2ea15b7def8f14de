internal import KernelMemory

// The report's columns. A label stands left in 30 characters, its number right in 16 more, and a remark
// behind it; a heading stands at the margin. Nothing is wider than 100 characters, the rows of the listing
// with long names aside.

extension TextSink {
  mutating func heading(_ text: StaticString) {
    newline()
    write(text)
    newline()
  }

  /// A label and its number, and a remark.
  mutating func figure(_ label: StaticString, _ value: UInt64, _ remark: StaticString = "") {
    startFigure(label, value)
    if remark.utf8CodeUnitCount > 0 { write("  ") }
    write(remark)
    newline()
  }

  /// A label and two numbers, of now and of the worst moment.
  mutating func figure(_ label: StaticString, _ value: UInt64, atMost peak: UInt64) {
    startFigure(label, value)
    write("  at most ")
    write(grouped: peak)
    newline()
  }

  /// A label and its number, on a line that goes on.
  mutating func startFigure(_ label: StaticString, _ value: UInt64) {
    startRow(label)
    write(grouped: value, width: 16)
  }

  mutating func startRow(_ label: StaticString) {
    write("  ")
    write(label)
    spaces(28 - label.utf8CodeUnitCount)
  }

  /// Decimal digits in groups of three.
  mutating func write(grouped value: UInt64, width: Int = 0) {
    var divisor: UInt64 = 1
    var groups = 0
    while value / divisor >= 1000 {
      divisor *= 1000
      groups += 1
    }
    let leading = value / divisor
    let digits = leading < 10 ? 1 : leading < 100 ? 2 : 3
    spaces(width - digits - 4 * groups)
    write(decimal: leading)
    while divisor > 1 {
      let rest = value % divisor
      divisor /= 1000
      write(",")
      write(thousand: rest / divisor)
    }
  }

  /// Three digits, zeros included.
  private mutating func write(thousand value: UInt64) {
    write(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / 100))
    write(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / 10 % 10))
    write(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value % 10))
  }

  /// A quotient with two digits behind the point, cut; zero where there is nothing to divide by.
  mutating func write(quotient dividend: UInt64, by divisor: UInt64) {
    let whole = divisor == 0 ? 0 : dividend / divisor
    let hundredths = divisor == 0 ? 0 : (dividend % divisor) * 100 / divisor
    write(grouped: whole)
    write(hundredths < 10 ? ".0" : ".")
    write(decimal: hundredths)
  }

  mutating func write(address: UInt64) {
    write("0x")
    write(hex: address, width: 16)
  }

  mutating func spaces(_ count: Int) {
    var written = 0
    while written < count {
      write(UInt8(ascii: " "))
      written += 1
    }
  }
}
