/// One picture of `watch`: what every owner holds, and how much more since the start.
struct WatchFrame {
  let start: Usage
  let now: Usage
  /// How long the watch has run, in seconds.
  var seconds = 0
  var sort = WatchSort.growth
  /// The first row that is shown.
  var offset = 0
  /// What could not be read this time.
  var problem = ""

  struct Row {
    var owner: Usage.Owner
    var growth: Int64
    var spaceGrowth: Int64
    var countGrowth: Int
  }

  /// Every owner of then and now, in order.
  var rows: [Row] {
    var rows: [Row] = []
    for key in Set(start.owners.keys).union(now.owners.keys) {
      guard let known = now.owners[key] ?? start.owners[key] else { continue }
      let before = start.owners[key] ?? Usage.Owner(name: known.name)
      let after = now.owners[key] ?? Usage.Owner(name: known.name, isLazy: known.isLazy)
      rows.append(
        Row(
          owner: after, growth: Usage.difference(after.bytes, before.bytes),
          spaceGrowth: Usage.difference(after.space, before.space), countGrowth: after.count &- before.count))
    }
    return rows.sorted(by: precedes)
  }

  private func precedes(_ a: Row, _ b: Row) -> Bool {
    func keys(_ row: Row) -> [Int64] {
      switch sort {
      case .growth: [row.growth, row.spaceGrowth, row.owner.bytes]
      case .pages: [row.owner.bytes, row.owner.space]
      case .space: [row.owner.space]
      case .count: [Int64(row.owner.count)]
      case .name: []
      }
    }
    let (x, y) = (keys(a), keys(b))
    return x != y ? y.lexicographicallyPrecedes(x) : a.owner.name < b.owner.name
  }

  /// The picture for a terminal of that size.
  func lines(width: Int, height: Int, _ paint: Paint) -> [String] {
    var lines = [Table.shortened(headline, to: width), Table.shortened(sumLine, to: width)]
    if !problem.isEmpty { lines.append(paint(Table.shortened(problem, to: width), .warning)) }
    lines.append("")
    let rows = rows
    let room = max(0, height - lines.count - 1)
    let first = min(offset, max(0, rows.count - room))
    lines += table(Array(rows.dropFirst(first).prefix(room)), width, paint)
    return Array(lines.prefix(height))
  }

  private var headline: String {
    "vmalloc watch, \(seconds / 60) min \(seconds % 60) s; by \(sort.rawValue); s: order, arrows: scroll, q: end"
  }

  private var sumLine: String {
    let growth = Sizes.change(Usage.difference(now.bytes, start.bytes))
    if !now.isAreas {
      return "allocated \(AllocationReport.size(now.bytes)) (\(growth)) in \(now.owners.count) functions"
    }
    return
      "pages \(AllocationReport.size(now.bytes)) (\(growth)), space \(AllocationReport.size(now.space)), "
      + "lazy \(AllocationReport.size(now.lazy)), \(now.count) areas (\(Sizes.change(now.count &- start.count)))"
  }

  private func table(_ rows: [Row], _ width: Int, _ paint: Paint) -> [String] {
    var table = Table([
      Table.Column(title: "PAGES", drop: 1), Table.Column(title: "GROWTH"),
      Table.Column(title: "SPACE", drop: 3),
      Table.Column(title: now.isAreas ? "AREAS" : "CALLS", drop: 2), Table.Column(title: "MORE", drop: 4),
      Table.Column(title: "OWNER", isRight: false, isFlexible: true),
    ])
    for row in rows {
      table.add(
        [
          row.owner.bytes == 0 ? "-" : AllocationReport.size(row.owner.bytes),
          row.growth == 0 ? "-" : Sizes.change(row.growth),
          now.isAreas ? AllocationReport.size(row.owner.space) : "", "\(row.owner.count)",
          row.countGrowth == 0 ? "-" : Sizes.change(row.countGrowth),
          Text.printable(row.owner.name, 200) + (row.owner.isLazy ? " (no owner)" : ""),
        ], row.owner.isLazy ? .quiet : row.growth > 0 ? .growth : row.growth < 0 ? .decrease : .plain)
    }
    return table.lines(width: width, paint)
  }

  /// One line for a pipe: sums, and the owner that grew most.
  func summaryLine(time: String) -> String {
    var words = [time, "pages=\(now.bytes)", "growth=\(Usage.difference(now.bytes, start.bytes))"]
    if now.isAreas { words += ["space=\(now.space)", "lazy=\(now.lazy)", "areas=\(now.count)"] }
    var frame = self
    frame.sort = .growth
    if let first = frame.rows.first(where: { !$0.owner.isLazy }), first.growth > 0 {
      words.append("most=\(first.owner.name.split(separator: " ").joined()):\(first.growth)")
    }
    return words.joined(separator: " ")
  }
}
