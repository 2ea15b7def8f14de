import LinuxMemory

/// `inspect` for people.
struct InspectTable {
  let report: InspectReport
  let paint: Paint
  let width: Int?
  /// Numbers of bytes in full.
  let isExact: Bool

  private func size(_ bytes: UInt64) -> String { isExact ? "\(bytes)" : Sizes.human(bytes) }

  var lines: [String] {
    var lines: [String] = []
    if report.snapshot.areaCount > 0 {
      lines += Self.lines(
        report.summary.facts(report.snapshot) + layoutFacts + report.comparison.facts, paint, width)
      lines.append("")
      let rows = report.view.by == .none ? areaLines : groupLines
      lines += report.summary.all.areas == 0 ? ["No area is of this kind and by such a caller."] : rows
      if let histogram = HistogramReport(report) { lines += [""] + histogram.lines(paint, width: width) }
    } else {
      lines += Self.lines(report.comparison.facts, paint, width)
    }
    if let join = report.join { lines += [""] + join.lines(paint, width: width) }
    if !report.snapshot.allocinfo.isEmpty {
      let allocations = AllocationReport(report.snapshot.allocinfo, report.view)
      if !lines.isEmpty { lines.append("") }
      lines += Self.lines(allocations.facts, paint, width) + [""]
      lines += allocations.lines(paint, width: width, isExact: isExact)
    }
    return lines
  }

  /// The head of a report.
  static func lines(_ facts: [Fact], _ paint: Paint, _ width: Int?) -> [String] {
    var table = Table([
      Table.Column(title: "", isRight: false), Table.Column(title: ""),
      Table.Column(title: "", isRight: false, isFlexible: true),
    ])
    for fact in facts { table.add([fact.label, fact.value, fact.note], fact.style) }
    return table.lines(width: width, paint, hasHeading: false)
  }

  private var layoutFacts: [Fact] {
    guard let layout = report.layout else { return [] }
    var facts: [Fact] = []
    let isWhole = report.snapshot.report[.elided] + report.snapshot.report[.unread] == 0
    for region in layout.regions {
      guard let hole = region.largestHole else { continue }
      facts.append(
        Fact(
          label: "largest hole", value: Sizes.human(hole.size),
          note: "between areas of the \(region.name) space, at 0x\(String(hole.start, radix: 16))"
            + (isWhole ? "" : "; lines are missing, so that it can be smaller")))
    }
    if layout.overlaps > 0 {
      facts.append(
        Fact(
          label: "overlaps", value: "\(layout.overlaps)",
          note: "areas that begin inside another: one area listed twice, or two lists in one", style: .warning
        ))
    }
    return facts
  }

  private var groupLines: [String] {
    let isByNode = report.view.by == .node
    var table = Table([
      Table.Column(title: "PAGES"), Table.Column(title: "SPACE", drop: 1),
      Table.Column(title: "AREAS", drop: 2),
      Table.Column(title: "GUARD", drop: 4), Table.Column(title: "NODES", isRight: false, drop: 3),
      Table.Column(title: report.view.by.rawValue.uppercased(), isRight: false, isFlexible: true),
    ])
    let hasNodes = !isByNode && report.summary.all.nodes.filter { $0 > 0 }.count > 1
    func add(_ group: AreaGroup, _ style: Style) {
      let sums = group.sums
      let guards = report.summary.guardBytes(of: sums)
      table.add(
        [
          sums.pages == 0 ? "-" : size(report.summary.bytes(of: sums)),
          isByNode && sums.areas == 0 ? "" : size(sums.space),
          isByNode && sums.areas == 0 ? "" : "\(sums.areas)",
          guards == 0 ? "" : size(guards),
          hasNodes ? Self.nodes(sums.nodes) : "",
          Text.printable(group.module.isEmpty ? group.name : "\(group.name) [\(group.module)]", 200)
            + Self.note(group),
        ], style)
    }
    for group in report.shown where !group.hasNoOwner { add(group, .plain) }
    if let rest = report.rest { add(rest, .quiet) }
    for group in report.shown where group.hasNoOwner { add(group, .quiet) }
    return table.lines(width: width, paint)
  }

  private static func note(_ group: AreaGroup) -> String {
    switch group.kind {
    case .unpurged? where group.hasNoOwner: " (freed, not yet flushed: no memory)"
    case .mapRAM? where group.hasNoOwner: " (nobody is named)"
    default: ""
    }
  }

  static func nodes(_ pages: [UInt64]) -> String {
    pages.enumerated().filter { $0.element > 0 }.map { "N\($0.offset)=\($0.element)" }.joined(separator: " ")
  }

  private var areaLines: [String] {
    var table = Table([
      Table.Column(title: "ADDRESS", isRight: false), Table.Column(title: "SPACE", drop: 1),
      Table.Column(title: "PAGES", drop: 2),
      Table.Column(title: "KIND", isRight: false, drop: 3),
      Table.Column(title: "NODES", isRight: false, drop: 4),
      Table.Column(title: "CALLER", isRight: false, isFlexible: true),
    ])
    let snapshot = report.snapshot
    for area in report.listedAreas {
      var nodes: [String] = []
      area.nodes.forEach { node, pages in nodes.append("N\(node)=\(pages)") }
      table.add([
        area.addresses == .real || area.addresses == .hashed ? "0x" + String(area.start, radix: 16) : "-",
        area.size == nil && area.addresses != .real ? "?" : size(area.space),
        area.pages.map { "\($0)" } ?? "-", snapshot.kind(of: area).name, nodes.joined(separator: " "),
        Text.printable(snapshot.callers[area.caller].text, 200),
      ])
    }
    return table.lines(width: width, paint)
  }
}
