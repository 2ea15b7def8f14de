import ComputerSimulation
import KernelMemory
import Testing

@testable import BootReplay
@testable import SimulatedRun

@Suite struct ReportTests {
  @Test(
    arguments: [
      (0, 0, "0"), (999, 5, "  999"), (1_000, 0, "1,000"), (1_000_000, 12, "   1,000,000"),
      (1_023_009, 3, "1,023,009"),
      (UInt64.max, 0, "18,446,744,073,709,551,615"),
    ] as [(UInt64, Int, String)])
  func groups(value: UInt64, width: Int, expected: String) {
    var sink = TextBuffer()
    sink.write(grouped: value, width: width)
    #expect(sink.text == expected)
  }

  @Test(arguments: [
    (1, 3, "0.33"), (7, 2, "3.50"), (2_001, 2, "1,000.50"), (5, 0, "0.00"), (101, 100, "1.01"),
  ])
  func quotients(dividend: UInt64, divisor: UInt64, expected: String) {
    var sink = TextBuffer()
    sink.write(quotient: dividend, by: divisor)
    #expect(sink.text == expected)
  }

  @Test(
    arguments: [
      (0, 2, ""), (1, 2, "0"), (4, 2, "0123"), (5, 2, "01<1>34"), (9, 2, "01<5>78"), (2, 5, "01"),
    ] as [(UInt64, UInt64, String)])
  func excerpts(rows: UInt64, ends: UInt64, expected: String) {
    var filter = RowFilter(TextBuffer(), rows: rows, atEachEnd: ends)
    for row in 0..<rows {
      filter.write(decimal: row)
      filter.newline()
    }
    let text = filter.base.text.replacing("  ... ", with: "<").replacing(" rows more ...", with: ">")
    #expect(text.replacing("\n", with: "") == expected)
  }

  @Test func theClassesOfRunsMeet() {
    var scatter = Scatter()
    for runs in [1, 2, 3, 4, 5, 8, 9, 16, 17, 1_000] as [UInt64] { scatter.add(runs: runs, frames: runs) }
    scatter.add(runs: 0, frames: 0)
    #expect((0..<Scatter.classes).map { scatter.areas[$0] } == [1, 1, 2, 2, 2, 2])
    #expect(scatter.runs == 1_065 && scatter.mostRuns == 1_000)
  }

  @Test func theLargestComeFirstAndEqualOnesInTheOrderOfTheirKeys() throws {
    let capacity = 40
    let memory = UnsafeMutableRawBufferPointer.allocate(
      byteCount: ProbeTable<SizeEntry>.byteCount(capacity: capacity), alignment: 16)
    defer { memory.deallocate() }
    var rest = memory
    var table = try #require(ProbeTable<SizeEntry>(capacity: capacity, in: &rest))
    var model: [(areas: UInt64, key: UInt64)] = []
    for index in 1...40 as ClosedRange<UInt64> {
      var entry = SizeEntry(key: index * 4096)
      for _ in 0..<index % 7 { entry.tally.allocate(1) }
      _ = table.insert(entry)
      model.append((index % 7, entry.key))
    }
    model.sort { $0.areas != $1.areas ? $0.areas > $1.areas : $0.key < $1.key }
    var found: [UInt64] = []
    var slot = table.largest(after: nil)
    while let current = slot {
      found.append(table[current].key)
      slot = table.largest(after: current)
    }
    #expect(found == model.map(\.key))
  }

  /// Tasks may have any bytes in their names; a terminal must not act on them.
  @Test func namesAreMadeHarmless() {
    var sink = TextBuffer()
    withTrace([0x61, 0x09, 0x1b, 0xc3, 0xa9]) { sink.write($0) }
    #expect(sink.text == "a??é")
  }
}
