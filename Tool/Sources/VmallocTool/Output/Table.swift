// The one way in which this tool prints columns: right-aligned numbers, one left-aligned column of names that
// gives way where the terminal is narrow, a heading, and rows set apart by a rule.

struct Table {
  struct Column {
    var title: String
    var isRight = true
    /// Shortened where the line would not fit.
    var isFlexible = false
    /// Left out where the terminal is too narrow, the highest number first; 0 stays.
    var drop = 0
  }

  struct Row {
    var cells: [String]
    var style = Style.plain
  }

  var columns: [Column]
  var rows: [Row] = []

  init(_ columns: [Column]) { self.columns = columns }

  mutating func add(_ cells: [String], _ style: Style = .plain) {
    rows.append(Row(cells: cells, style: style))
  }

  /// The shortest that a column of names gets before another one is left out.
  private static let shortestName = 8

  /// The lines of the table, none wider than `width`; columns in which every row is empty are left out.
  func lines(width: Int?, _ paint: Paint, hasHeading: Bool = true) -> [String] {
    var used = columns.indices.filter { index in rows.contains { !$0.cells[index].isEmpty } || rows.isEmpty }
    var widths = used.map { index in
      rows.reduce(hasHeading ? columns[index].title.count : 0) { max($0, $1.cells[index].count) }
    }
    if let width { fit(width, &used, &widths) }
    func text(_ cells: [String]) -> String {
      let line = line(cells, used, widths)
      return width.map { Self.shortened(line, to: $0) } ?? line
    }
    var lines: [String] = []
    if hasHeading { lines.append(paint(text(used.map { columns[$0].title }), .heading)) }
    for row in rows { lines.append(paint(text(used.map { row.cells[$0] }), row.style)) }
    return lines
  }

  /// Shortens the flexible column, and leaves columns out where that is not enough.
  private func fit(_ width: Int, _ used: inout [Int], _ widths: inout [Int]) {
    while let flexible = used.firstIndex(where: { columns[$0].isFlexible }) {
      let others = widths.reduce(0, +) - widths[flexible] + 2 * (used.count - 1)
      let room = width - others
      let least = used.indices.max { columns[used[$0]].drop < columns[used[$1]].drop }
      if room < min(widths[flexible], Self.shortestName), let least, columns[used[least]].drop > 0 {
        used.remove(at: least)
        widths.remove(at: least)
        continue
      }
      widths[flexible] = min(widths[flexible], max(1, room))
      return
    }
  }

  private func line(_ cells: [String], _ used: [Int], _ widths: [Int]) -> String {
    var line = ""
    for (place, cell) in cells.enumerated() {
      if place > 0 { line += "  " }
      let text = Self.shortened(cell, to: widths[place])
      let padding = String(repeating: " ", count: widths[place] - text.count)
      line += columns[used[place]].isRight ? padding + text : text + padding
    }
    while line.last == " " { line.removeLast() }
    return line
  }

  /// The text, or its beginning and an ellipsis.
  static func shortened(_ text: String, to width: Int) -> String {
    text.count <= width ? text : width < 2 ? String(text.prefix(width)) : text.prefix(width - 1) + "…"
  }
}
