import Testing

@testable import Figures

@Suite struct ComparisonTests {
  /// What both runs print, a line a size and side.
  private var lines: [String] {
    ["4K", "64K", "2M"].flatMap { size in
      ["kmalloc", "vmalloc_cold", "vmalloc_warm"].map { side in
        "compare \(size) \(side) pairs=2000 entries=4000 page=3 ranges=5 everything=1 samples=4 runs=10 bytes=32768"
      }
    }
  }

  @Test func totalsAreDividedByWhatTheyAreOf() throws {
    var all = lines
    all[1] += " instructions=1240000"
    let text = try Comparison((["boot"] + all).joined(separator: "\n")).text.split(separator: "\n")
    #expect(text.count == 14)
    #expect(
      text[4] == "  4K    vmalloc, cold           620        2    1.5     2.5      0.5        2.5       8192")
    #expect(
      text[3] == "  4K    kmalloc                   -        2    1.5     2.5      0.5        2.5       8192")
  }

  @Test func eachLineIsThereOnce() {
    #expect(throws: BadFigures.self) { try Comparison(lines.dropLast().joined(separator: "\n")) }
    #expect(throws: BadFigures.self) { try Comparison((lines + lines.prefix(1)).joined(separator: "\n")) }
    #expect(throws: BadFigures.self) { try Comparison("") }
    #expect(throws: BadFigures.self) {
      try Comparison(
        (lines.dropLast() + ["compare 2M vmalloc_warm entries=3 samples=1"]).joined(separator: "\n"))
    }
  }
}
