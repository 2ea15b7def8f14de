import ComputerSimulation
import KernelMemory
import Testing

@testable import SimulatedRun

@Suite struct TextSinkTests {
  @Test(
    arguments: [
      (0, 0, "0"), (7, 3, "  7"), (10, 2, "10"), (999, 2, "999"), (UInt64.max, 0, "18446744073709551615"),
      (10_000_000_000_000_000_000, 22, "  10000000000000000000"), (5, -4, "5"),
    ] as [(UInt64, Int, String)])
  func decimal(value: UInt64, width: Int, expected: String) {
    var sink = TextBuffer()
    sink.write(decimal: value, width: width)
    #expect(sink.text == expected)
  }

  @Test(
    arguments: [
      (0, 0, "0"), (0, 2, "00"), (0xa, 2, "0a"), (0x10, 1, "10"), (0xabc, 6, "000abc"),
      (UInt64.max, 16, "ffffffffffffffff"), (1 << 63, 0, "8000000000000000"), (0xfff, 0, "fff"),
    ] as [(UInt64, Int, String)])
  func hexadecimal(value: UInt64, width: Int, expected: String) {
    var sink = TextBuffer()
    sink.write(hex: value, width: width)
    #expect(sink.text == expected)
  }

  @Test func literalsAndBytes() {
    var sink = TextBuffer()
    sink.write("")
    sink.write("a")
    sink.write("bc é")
    Array("de".utf8).withUnsafeBufferPointer { sink.write(utf8: $0) }
    sink.write(utf8: UnsafeBufferPointer(start: nil, count: 0))
    sink.newline()
    #expect(sink.text == "abc éde\n")
  }
}
