import LinuxMemory
import VmallocReplay

/// Policies beside each other.
enum PolicyTable {
  /// A row of the table: its label, and the cell for a run.
  private struct Figure {
    let label: String
    let cell: @Sendable (PolicyRun) -> String
  }

  private static func size(_ label: String, _ name: String) -> Figure {
    Figure(label: label) { Sizes.human($0[name]) }
  }

  private static func count(_ label: String, _ name: String) -> Figure {
    Figure(label: label) { "\($0[name])" }
  }

  private static let figures: [Figure] = [
    count("areas allocated", "areas.total"), count("areas live", "areas.live"),
    size("addresses live", "addresses.live"), size("addresses, peak", "addresses.peak"),
    size("freed, not flushed, peak", "addresses.unflushed_peak"),
    size("first to last area", "addresses.extent"), count("holes", "addresses.holes"),
    size("largest hole", "addresses.largest_hole"),
    Figure(label: "fragmentation") { run in
      Sizes.share(
        run["addresses.extent"] &- min(run["addresses.live"], run["addresses.extent"]),
        of: run["addresses.extent"])
    },
    Figure(label: "memory, peak") { Sizes.human($0["frames.peak"] * 4096) },
    count("physical runs", "frames.runs"),
    count("entries written", "entries.written"), count("entries cleared", "entries.cleared"),
    count("tables made", "tables.made"), count("tables returned", "tables.returned"),
    count("flushes of a page", "flushes.page"), count("flushes of ranges", "flushes.ranges"),
    count("flushes of all", "flushes.all"),
    Figure(label: "words verified") { "\($0["words.read"])" },
    count("violations", "violations"),
    Figure(label: "verdict") { $0.isPassed ? "pass" : "fail" },
  ]

  static func lines(_ runs: [PolicyRun], width: Int?, _ paint: Paint) -> [String] {
    var table = Table(
      [Table.Column(title: "", isRight: false)] + runs.map { Table.Column(title: $0.policy.description) })
    for figure in figures { table.add([figure.label] + runs.map(figure.cell)) }
    let reasons = runs.filter { !$0.refusal.isEmpty }.map { "\($0.policy): \($0.refusal)" }
    return table.lines(width: width, paint) + reasons
  }

  /// Every figure of every policy, by the names that the report has.
  static func json(_ runs: [PolicyRun]) -> String {
    let rows = runs.map { run in
      let figures = run.figures.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" }
      let policy = "\"policy\": \"\(run.policy)\""
      return "  {" + ([policy, "\"passed\": \(run.isPassed)"] + figures).joined(separator: ", ") + "}"
    }
    return "[\n" + rows.joined(separator: ",\n") + "\n]"
  }
}
