import Testing

@testable import Figures

@Suite struct FiguresTests {
  @Test func aLogBecomesAFlatObject() throws {
    let log = "boot\nbench kmalloc_64 144\n  operations 1000\nbench memory_area_1_all 104.39\nbench_other 3\n"
    let figures = try Figures(log: log)
    #expect(figures.json == "{\n  \"kmalloc_64\": 144,\n  \"memory_area_1_all\": 104.39\n}\n")
    #expect(figures["kmalloc_64"] == 144)
    #expect(figures.text("memory_area_1_all") == "104.39")
    #expect(figures["memory_area_1"] == nil)
  }

  @Test(arguments: [
    "bench a 1\nbench a 1", "bench a", "bench a 1 2", "bench a -1", "bench a 1e5", "bench a 1.", "bench a .5",
    "bench a 0x10", "bench a nan", "bench a-b 1", "bench a 1.2.3",
  ]) func whatIsNoFigureIsRefused(log: String) {
    let error = #expect(throws: BadFigures.self) { try Figures(log: "bench z 1\n" + log) }
    let last = log.split(separator: "\n").last.map(String.init) ?? ""
    #expect(error?.description == "bench: cannot use the line: \(last)")
  }

  @Test func aLogWithoutFiguresIsRefused() {
    let error = #expect(throws: BadFigures.self) { try Figures(log: "== operations\nwarm: 3\n") }
    #expect(error?.description == "bench: the kernel printed no figure")
  }

  @Test(arguments: [
    (0, "0"), (999, "999"), (1000, "1,000"), (197_300, "197,300"), (1_234_567, "1,234,567"), (99.6, "100"),
  ]) func thousandsAreGrouped(value: Double, text: String) { #expect(value.grouped == text) }
}
