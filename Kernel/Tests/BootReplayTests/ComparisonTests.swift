import ComputerSimulation
import KernelMemory
import Testing

@testable import BootReplay
@testable import SimulatedRun

@Suite struct ComparisonTests {
  /// The figures of each line, by size and side.
  private func figures(_ mode: FreeMode, clock: () -> UInt64? = { nil }) throws -> [String: [String: UInt64]]
  {
    let computer = try SimulatedComputer(memory: 512 << 20, mode: mode)
    var print = TextBuffer()
    try Comparison(on: computer.manager, mode: mode).run(clock: clock, reportingTo: &print)
    var rows: [String: [String: UInt64]] = [:]
    for line in print.text.split(separator: "\n") {
      let words = line.split(separator: " ")
      #expect(words[0] == "compare")
      var row: [String: UInt64] = [:]
      for word in words.dropFirst(3) {
        let parts = word.split(separator: "=")
        row[String(parts[0])] = UInt64(parts[1])
      }
      #expect(rows.updateValue(row, forKey: "\(words[1]) \(words[2])") == nil)
    }
    #expect(computer.manager.validate() == nil)
    return rows
  }

  @Test func aColdPairEditsItsEntriesAndSharesAFlush() throws {
    let rows = try figures(.lazy)
    #expect(rows.count == 6)
    // One large leaf maps 2 MiB.
    for (size, pages, leaves) in [("4K", UInt64(1), UInt64(1)), ("64K", 16, 16), ("2M", 512, 1)] {
      let cold = try #require(rows["\(size) vmalloc_cold"])
      let pairs = try #require(cold["pairs"])
      #expect(cold["entries"] == pairs * leaves)
      #expect(try #require(cold["everything"]) >= 1)
      #expect(cold["bytes"] == 16 * (pages + 1) * 4096)
      #expect(cold["instructions"] == nil)
      let linear = try #require(rows["\(size) kmalloc"])
      #expect(linear["entries"] == 0 && linear["everything"] == 0)
      #expect(linear["runs"] == 16 && linear["bytes"] == 16 * pages * 4096)
    }
  }

  @Test func aWarmPairEditsNothingUpToWhatTheCacheKeeps() throws {
    var time: UInt64 = 0
    let rows = try figures(
      .warm,
      clock: {
        time += 1000
        return time
      })
    #expect(rows.count == 3)
    for size in ["4K", "64K"] {
      let warm = try #require(rows["\(size) vmalloc_warm"])
      #expect(warm["entries"] == 0 && warm["everything"] == 0 && warm["instructions"] == 1000)
    }
    let large = try #require(rows["2M vmalloc_warm"])
    #expect(large["entries"] == large["pairs"])
    #expect(try #require(large["everything"]) >= 1)
  }

  @Test(arguments: [["--compare"], ["--compare", "strict"], ["--compare", "cold"]])
  func anotherModeIsRefused(_ words: [String]) {
    let refusal = #expect(throws: Arguments.Refusal.self) { try Arguments(words) }
    #expect(refusal?.message.contains("lazy or warm") == true)
  }
}
