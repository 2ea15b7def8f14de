import LinuxMemory

/// What /proc/allocinfo, or the table of an out-of-memory report, says: rows put together as the view asks.
struct AllocationReport {
  /// Sites that belong together.
  struct Row {
    var name: String
    var module: String
    var bytes: Int64 = 0
    var calls: UInt64 = 0
    var isAccurate = true
  }

  let info: Allocinfo
  let shown: [Row]
  let rest: Row?

  init(_ info: Allocinfo, _ view: ViewOptions) {
    self.info = info
    let rows = Self.rows(info, view).sorted { Self.precedes($0, $1, view.sort) }
    let cut = view.top == 0 ? rows.count : min(view.top, rows.count)
    shown = Array(rows[..<cut])
    var others = Row(name: Summary.others(rows.count - cut), module: "")
    for row in rows[cut...] { Self.add(row.bytes, row.calls, row.isAccurate, to: &others) }
    rest = cut < rows.count ? others : nil
  }

  private static func rows(_ info: Allocinfo, _ view: ViewOptions) -> [Row] {
    var filter = view.areaFilter
    filter.kinds = []
    var rows: [Row] = []
    var places: [String: Int] = [:]
    for site in info.sites {
      if !filter.accepts(.other, Caller(function: site.function, module: site.module)) { continue }
      let (name, module) = label(site, view.by)
      let key = name + "\u{0}" + module
      let place = places[key] ?? rows.count
      if place == rows.count {
        rows.append(Row(name: name, module: module))
        places[key] = place
      }
      add(site.bytes, site.calls, site.isAccurate, to: &rows[place])
    }
    return rows
  }

  private static func label(_ site: AllocationSite, _ choice: GroupChoice) -> (String, String) {
    switch choice {
    case .module: (site.module.isEmpty ? "(kernel)" : site.module, "")
    case .caller, .none: ("\(site.file):\(site.line) \(site.function)", site.module)
    case .symbol, .kind, .node: (site.function, site.module)
    }
  }

  private static func add(_ bytes: Int64, _ calls: UInt64, _ isAccurate: Bool, to row: inout Row) {
    let (sum, over) = row.bytes.addingReportingOverflow(bytes)
    row.bytes = over ? (bytes < 0 ? .min : .max) : sum
    let (count, overflow) = row.calls.addingReportingOverflow(calls)
    row.calls = overflow ? .max : count
    if !isAccurate { row.isAccurate = false }
  }

  private static func precedes(_ a: Row, _ b: Row, _ order: SortChoice) -> Bool {
    switch order {
    case .pages, .space: a.bytes != b.bytes ? a.bytes > b.bytes : (a.name, a.module) < (b.name, b.module)
    case .count: a.calls != b.calls ? a.calls > b.calls : (a.name, a.module) < (b.name, b.module)
    case .name: (a.name, a.module) < (b.name, b.module)
    }
  }

  /// The head of the report.
  var facts: [Fact] {
    var facts = [
      Fact(label: "allocated", value: Self.size(info.totalBytes), note: note),
      Fact(label: "sites", value: "\(info.sites.count)"),
    ]
    if info.isProfilingOn == false {
      facts.append(
        Fact(
          label: "profiling", value: "off", note: "the numbers are from before it was turned off",
          style: .warning))
    }
    let lossy = info.sites.filter { !$0.isAccurate }.count
    if lossy > 0 {
      facts.append(
        Fact(label: "inaccurate", value: "\(lossy)", note: "sites that lost allocations, as the kernel says"))
    }
    return facts
  }

  private var note: String {
    switch info.form {
    case .outOfMemory: "the largest sites of an out-of-memory report, rounded by the kernel"
    case .file(let version):
      version.map { "allocinfo \($0): every allocation of the kernel, not vmalloc alone" }
        ?? "every allocation of the kernel, not vmalloc alone"
    }
  }

  static func size(_ bytes: Int64) -> String { (bytes < 0 ? "-" : "") + Sizes.human(bytes.magnitude) }

  /// The rows as a table.
  func lines(_ paint: Paint, width: Int?, isExact: Bool) -> [String] {
    var table = Table([
      Table.Column(title: "BYTES"), Table.Column(title: "CALLS"),
      Table.Column(title: "WHO", isRight: false, isFlexible: true),
    ])
    for row in shown + (rest.map { [$0] } ?? []) {
      let name = row.module.isEmpty ? row.name : "\(row.name) [\(row.module)]"
      table.add([
        isExact ? "\(row.bytes)" : Self.size(row.bytes), "\(row.calls)",
        Text.printable(name, 200) + (row.isAccurate ? "" : " (inaccurate)"),
      ])
    }
    return table.lines(width: width, paint)
  }

  /// The members of a JSON object.
  var members: [(String, JSON)] {
    let rows = shown + (rest.map { [$0] } ?? [])
    return [
      ("allocated_bytes", .number(info.totalBytes)), ("sites", .number(info.sites.count)),
      (
        "allocations",
        .array(
          rows.map { row in
            .object([
              ("name", .string(row.name)), ("module", row.module.isEmpty ? .null : .string(row.module)),
              ("bytes", .number(row.bytes)), ("calls", .number(row.calls)),
              ("accurate", .bool(row.isAccurate)),
            ])
          })
      ),
    ]
  }

  /// Comma-separated values.
  var csv: [String] {
    [CSV.line(["name", "module", "bytes", "calls", "accurate"])]
      + (shown + (rest.map { [$0] } ?? [])).map {
        CSV.line([$0.name, $0.module, "\($0.bytes)", "\($0.calls)", "\($0.isAccurate)"])
      }
  }

  /// Gauges by function and module; file and line change with every kernel, and are left out.
  func add(to metrics: inout OpenMetrics) {
    metrics.gauge("vmalloc_allocinfo_bytes", "The sum of /proc/allocinfo.", info.totalBytes)
    metrics.gauges(
      "vmalloc_allocinfo_owner_bytes", "Bytes of /proc/allocinfo by function.",
      shown.map { ([("owner", $0.name), ("module", $0.module)], "\($0.bytes)") }
        + (rest.map { [([("owner", "(others)"), ("module", "")], "\($0.bytes)")] } ?? []))
  }
}
