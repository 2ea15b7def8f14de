import ArgumentParser
import LinuxMemory
import VmallocReplay

/// The forms of a report.
enum FormatChoice: String, ExpressibleByArgument, CaseIterable {
  case table, json, csv, openmetrics, html, kernel
}

/// Sums up a list of areas.
struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show who holds the vmalloc space: areas, address space, pages.",
    discussion: """
      FILE is a copy of /proc/vmallocinfo, also one that went through mail, a terminal or a log; of \
      /proc/allocinfo; or the allocation table of an out-of-memory report. Without FILE the running kernel is \
      asked, for which root is needed.

      EXAMPLES
        vmalloc inspect                            who holds how much, now
        vmalloc inspect --by module bug.txt        a list out of a bug report
        vmalloc inspect --kind ioremap --by none   every device mapping
        vmalloc inspect --at 0xffffffffc0aa5010    whose address that is
        vmalloc inspect --format html >map.html    a map of the space, as a page
        vmalloc inspect --join /proc/allocinfo     beside what the source's functions allocated
        dmesg | vmalloc inspect -                  the table of an out-of-memory report
        vmalloc inspect --fail-over 2G -j          for a script: status 1 from 2 GiB of pages on
      """)

  @Argument(help: "The list to read; - is standard input.", completion: .file())
  var file = InputOptions.live

  @OptionGroup var input: InputOptions
  @OptionGroup var view: ViewOptions

  @Option(
    help: """
      table, json, csv, openmetrics, html (the page of vmalloc explore), or kernel: one repaired line an area, \
      as a kernel prints it.
      """)
  var format = FormatChoice.table

  @OptionGroup var output: OutputOptions

  @Flag(name: [.customShort("p"), .long], help: "As --format openmetrics, for node_exporter.")
  var openmetrics = false

  @Flag(help: "Bytes in full instead of KiB and MiB.")
  var bytes = false

  @Flag(help: "Count areas by size, and the holes between them, where addresses are real.")
  var histogram = false

  @Option(
    help: "Put /proc/allocinfo, or a copy of it, beside the list, by function and module.",
    completion: .file())
  var join: String?

  @Option(help: "End with status 1 if the pages, or an allocation list's bytes, are more: 64M, 1.5G.")
  var failOver: String?

  mutating func validate() throws {
    if let failOver, Sizes.parse(failOver) == nil {
      throw ValidationError("--fail-over takes a size such as 64M or 1.5G, not '\(failOver)'.")
    }
    if output.json { format = .json }
    if openmetrics { format = .openmetrics }
  }

  func run() throws {
    try ExitStatus.catching {
      let snapshot = try input.read(file, keepingAreas: needsAreas)
      try refuseWithoutAreas(snapshot)
      var report = try InspectReport(view.at.map { try AddressSearch($0).search(snapshot) } ?? snapshot, view)
      report.hasHistogram = histogram
      if let join {
        let other = try Snapshot.read(path: join)
        if other.allocinfo.sites.isEmpty {
          throw InputError.unsuitable(other.name, "it has no rows of /proc/allocinfo")
        }
        report.join = JoinReport(snapshot, other.allocinfo, top: view.top)
      }
      print(report)
      for note in notes(report) + snapshot.report.notes { Screen.complain("vmalloc: \(note)") }
      try checkLimit(report)
    }
  }

  private func notes(_ report: InspectReport) -> [String] {
    let guardNote = view.at.flatMap { AddressSearch($0).note(report.snapshot) }
    return [guardNote, HistogramReport.absence(report)].compactMap { $0 }
  }

  private var needsAreas: Bool {
    view.by == .none || format == .kernel || format == .html || histogram
  }

  /// What is about single areas needs some.
  private func refuseWithoutAreas(_ snapshot: Snapshot) throws {
    guard snapshot.areaCount == 0 else { return }
    if format == .html || format == .kernel || histogram || view.at != nil {
      throw InputError.unsuitable(snapshot.name, "it has no areas, which this report is about")
    }
  }

  private func print(_ report: InspectReport) {
    switch format {
    case .table:
      let table = InspectTable(report: report, paint: output.paint, width: Screen.width, isExact: bytes)
      Screen.print(table.lines + Advice.lines(report.advice, output.paint))
    case .json: Screen.print([report.json.text()])
    case .csv: Screen.print(report.csv)
    case .openmetrics: Screen.print(report.openMetrics)
    case .html:
      let picture = Picture(report.snapshot, view.areaFilter)
      Screen.write(ExplorerPage.html(picture))
      for note in picture.notes { Screen.complain("vmalloc: \(note)") }
    case .kernel: Screen.print(report.listedAreas.map(report.snapshot.line(of:)))
    }
  }

  private func checkLimit(_ report: InspectReport) throws {
    guard let failOver, let limit = Sizes.parse(failOver) else { return }
    let allocated = UInt64(max(0, report.snapshot.allocinfo.totalBytes))
    let bytes = report.snapshot.areaCount > 0 ? report.summary.pageBytes : allocated
    if bytes > limit {
      Screen.complain("vmalloc: \(Sizes.human(bytes)) are more than \(failOver).")
      throw ExitStatus.limitMet.code
    }
  }
}
