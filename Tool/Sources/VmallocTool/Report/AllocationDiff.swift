import LinuxMemory

/// Two readings of /proc/allocinfo: what every function allocated more or less.
struct AllocationDiff {
  struct Row {
    var name: String
    var module: String
    var bytes: Int64
    var calls: Int64
    var now: Int64
  }

  /// Functions whose bytes or calls changed, largest growth first.
  let rows: [Row]
  /// How much the sum grew.
  let growth: Int64

  init(_ old: Allocinfo, _ new: Allocinfo) {
    var changes: [String: Row] = [:]
    for (info, isNew) in [(old, false), (new, true)] {
      for site in info.sites {
        let key = site.function + "\u{0}" + site.module
        var row = changes[key] ?? Row(name: site.function, module: site.module, bytes: 0, calls: 0, now: 0)
        let calls = Int64(clamping: site.calls)
        row.bytes = isNew ? Usage.sum(row.bytes, site.bytes) : Usage.difference(row.bytes, site.bytes)
        row.calls = isNew ? Usage.sum(row.calls, calls) : Usage.difference(row.calls, calls)
        if isNew { row.now = Usage.sum(row.now, site.bytes) }
        changes[key] = row
      }
    }
    rows = changes.values.filter { $0.bytes != 0 || $0.calls != 0 }.sorted {
      $0.bytes != $1.bytes ? $0.bytes > $1.bytes : ($0.name, $0.module) < ($1.name, $1.module)
    }
    growth = Usage.difference(new.totalBytes, old.totalBytes)
  }

  func lines(top: Int, _ paint: Paint, width: Int?) -> [String] {
    var table = Table([
      Table.Column(title: "BYTES"), Table.Column(title: "NOW"), Table.Column(title: "CALLS"),
      Table.Column(title: "FUNCTION", isRight: false, isFlexible: true),
    ])
    for row in top == 0 ? rows[...] : rows.prefix(top) {
      table.add(
        [
          Sizes.change(row.bytes), AllocationReport.size(row.now), Sizes.change(Int(row.calls)),
          Text.printable(row.module.isEmpty ? row.name : "\(row.name) [\(row.module)]", 200),
        ], row.bytes > 0 ? .growth : .decrease)
    }
    return ["allocated \(Sizes.change(growth)) in \(rows.count) functions that changed", ""]
      + table.lines(width: width, paint)
  }

  /// The member `allocations` of the report.
  func json(top: Int) -> JSON {
    .array(
      (top == 0 ? rows[...] : rows.prefix(top)).map { row in
        .object([
          ("function", .string(row.name)), ("module", row.module.isEmpty ? .null : .string(row.module)),
          ("growth_bytes", .number(row.bytes)), ("growth_calls", .number(row.calls)),
          ("bytes", .number(row.now)),
        ])
      })
  }

  /// Comma-separated values.
  func csv(top: Int) -> [String] {
    [CSV.line(["function", "module", "growth_bytes", "growth_calls", "bytes"])]
      + (top == 0 ? rows[...] : rows.prefix(top)).map {
        CSV.line([$0.name, $0.module, "\($0.bytes)", "\($0.calls)", "\($0.now)"])
      }
  }
}
