import LinuxMemory

/// `inspect --histogram`: how large areas are, and the holes between them.
struct HistogramReport {
  let areas: SizeHistogram
  let holes: SizeHistogram

  /// Nil where addresses are not real: sizes are asked for or rounded there, and holes cannot be seen.
  init?(_ report: InspectReport) {
    guard report.hasHistogram, let layout = report.layout,
      let areas = report.snapshot.sizeHistogram(report.view.areaFilter)
    else { return nil }
    self.areas = areas
    holes = layout.holes
  }

  /// Why there is none, for who asked for one.
  static func absence(_ report: InspectReport) -> String? {
    guard report.hasHistogram, report.layout == nil else { return nil }
    return "no histogram: the addresses are not real, so that neither holes nor whole sizes can be seen."
  }

  private struct Row {
    var areas: SizeHistogram.Row?
    var holes: SizeHistogram.Row?
  }

  private var rows: [(upTo: UInt64, row: Row)] {
    var rows: [UInt64: Row] = [:]
    for row in areas.rows { rows[row.upTo, default: Row()].areas = row }
    for row in holes.rows { rows[row.upTo, default: Row()].holes = row }
    return rows.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
      .filter { ($0.row.areas?.count ?? 0) + ($0.row.holes?.count ?? 0) > 0 }
  }

  private static let barLength = 24

  func lines(_ paint: Paint, width: Int?) -> [String] {
    var table = Table([
      Table.Column(title: "UP TO"), Table.Column(title: "AREAS"), Table.Column(title: "SPACE", drop: 1),
      Table.Column(title: "HOLES"), Table.Column(title: "FREE", drop: 2),
      Table.Column(title: "AREAS OF THIS SIZE", isRight: false, isFlexible: true),
    ])
    let rows = rows
    let most = rows.reduce(1) { max($0, $1.row.areas?.count ?? 0) }
    func size(_ row: SizeHistogram.Row?) -> String {
      row.map { $0.count > 0 ? Sizes.human($0.bytes) : "-" } ?? "-"
    }
    for (upTo, row) in rows {
      let count = row.areas?.count ?? 0
      let length = (count * Self.barLength + most - 1) / most
      table.add([
        Sizes.human(upTo), count > 0 ? "\(count)" : "-", size(row.areas),
        row.holes.map { $0.count > 0 ? "\($0.count)" : "-" } ?? "-", size(row.holes),
        String(repeating: "█", count: length),
      ])
    }
    return table.lines(width: width, paint)
  }

  /// The member `histogram` of the report.
  var json: JSON {
    .array(
      rows.map { upTo, row in
        .object([
          ("up_to_bytes", .number(upTo)), ("areas", .number(row.areas?.count ?? 0)),
          ("areas_bytes", .number(row.areas?.bytes ?? 0)), ("holes", .number(row.holes?.count ?? 0)),
          ("holes_bytes", .number(row.holes?.bytes ?? 0)),
        ])
      })
  }
}
