import ArgumentParser
import LinuxMemory

/// The forms of a comparison.
enum DiffFormat: String, ExpressibleByArgument, CaseIterable {
  case table, json, csv
}

/// Compares two lists.
struct Diff: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what appeared, vanished, grew or moved between two lists.",
    discussion: """
      Two lists of one boot are matched by addresses, hashed ones included; others by function and module. Space \
      that is freed and not yet flushed stands apart: it is no growth of an owner.

      EXAMPLES
        vmalloc diff before.txt after.txt               what grew
        vmalloc diff before.txt /proc/vmallocinfo       what grew since then
        vmalloc diff --fail-on-growth 64M a.txt b.txt   status 1 if memory grew by more
      """)

  @Argument(help: "The earlier list.", completion: .file())
  var old: String

  @Argument(help: "The later list.", completion: .file())
  var new: String

  @OptionGroup var input: InputOptions
  @OptionGroup var output: OutputOptions

  @Option(help: "table, json or csv.")
  var format = DiffFormat.table

  @Option(
    name: [.customShort("t"), .long], parsing: .unconditional,
    help: "Show the first so many owners; 0 shows all.")
  var top = 20

  @Option(help: "Match areas by addresses, or owners alone; the lists themselves decide otherwise.")
  var match: MatchChoice?

  @Option(help: "End with status 1 if memory grew by more than this: 0, 64M.")
  var failOnGrowth: String?

  mutating func validate() throws {
    if top < 0 { throw ValidationError("--top takes a number from 0 on.") }
    if old == "-" && new == "-" {
      throw ValidationError("Standard input can be one of the two lists, not both.")
    }
    if let failOnGrowth, Sizes.parse(failOnGrowth) == nil {
      throw ValidationError("--fail-on-growth takes a size such as 0 or 64M, not '\(failOnGrowth)'.")
    }
    if output.json { format = .json }
  }

  func run() throws {
    try ExitStatus.catching {
      let report = DiffReport(
        try input.read(old, keepingAreas: true), try input.read(new, keepingAreas: true),
        matching: match.flatMap { Matching(rawValue: $0.rawValue) })
      switch format {
      case .table:
        Screen.print(
          report.lines(top: top, output.paint, width: Screen.width)
            + Advice.lines(report.advice, output.paint))
      case .json: Screen.print([report.json(top: top).text()])
      case .csv: Screen.print(report.csv(top: top))
      }
      for note in report.old.report.notes + report.new.report.notes { Screen.complain("vmalloc: \(note)") }
      try checkGrowth(report)
    }
  }

  private func checkGrowth(_ report: DiffReport) throws {
    guard let failOnGrowth, let limit = Sizes.parse(failOnGrowth) else { return }
    let growth = report.allocations?.growth ?? report.totalGrowth
    if growth > 0, UInt64(growth) > limit {
      Screen.complain(
        "vmalloc: memory grew by \(Sizes.human(UInt64(growth))), more than \(failOnGrowth).")
      throw ExitStatus.limitMet.code
    }
  }
}

/// What areas of two lists are matched by.
enum MatchChoice: String, ExpressibleByArgument, CaseIterable {
  case addresses, owners
}
