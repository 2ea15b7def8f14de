/// kmalloc beside vmalloc, cold and warm: what a pair of each size costs, from the lines of two short runs, a
/// lazy one and a warm one: `compare SIZE SIDE NAME=TOTAL…`. `pairs` divides what was counted over pairs,
/// `samples` what was counted of single allocations.
public struct Comparison {
  private var rows: [String: [String: Double]] = [:]

  private static let sizes = ["4K", "64K", "2M"]
  private static let sides = ["kmalloc", "vmalloc_cold", "vmalloc_warm"]

  /// Three lines of each size are expected; anything else is a fault of the runs, not a short table.
  public init(_ lines: String) throws(BadFigures) {
    for line in lines.split(whereSeparator: \.isNewline) {
      let fields = line.split(separator: " ").map(String.init)
      guard fields.first == "compare" else { continue }
      guard fields.count > 3, rows[fields[1] + " " + fields[2]] == nil else { throw Self.incomplete }
      var values: [String: Double] = [:]
      for field in fields[3...] {
        let parts = field.split(separator: "=", maxSplits: 1)
        if parts.count == 2 { values[String(parts[0])] = Double(parts[1]) }
      }
      guard values["pairs"] ?? 0 > 0, values["samples"] ?? 0 > 0 else { throw Self.incomplete }
      rows[fields[1] + " " + fields[2]] = values
    }
    for size in Self.sizes {
      for side in Self.sides where rows["\(size) \(side)"] == nil { throw Self.incomplete }
    }
  }

  private static let incomplete = BadFigures("compare: the runs did not print each figure once")

  public var text: String {
    var lines = [
      "",
      "kmalloc beside vmalloc: a pair of an allocation and its free",
      "                                              flushes in 1,000 pairs    runs of  bytes of",
      "  size  side           instructions  entries   page  ranges      all     frames  addresses",
    ]
    for size in Self.sizes {
      for side in Self.sides {
        let row = rows["\(size) \(side)"] ?? [:]
        func mean(_ name: String, per count: String = "pairs", times factor: Double = 1, _ digits: Int)
          -> String
        {
          (factor * (row[name] ?? 0) / (row[count] ?? 0)).fixed(digits)
        }
        lines.append(
          columns(
            ("", 2), (size, -4), ("", 2), (side.split(separator: "_").joined(separator: ", "), -13), ("", 2),
            (row["instructions"] == nil ? "-" : mean("instructions", 0), 12), ("", 1),
            (mean("entries", 0), 8),
            ("", 1), (mean("page", times: 1000, 1), 6), ("", 1), (mean("ranges", times: 1000, 1), 7), ("", 1),
            (mean("everything", times: 1000, 1), 8), ("", 1), (mean("runs", per: "samples", 1), 10), ("", 1),
            (mean("bytes", per: "samples", 0), 10)))
      }
    }
    return
      (lines + [
        "  Runs of contiguous frames, and bytes of addresses with the guard, are those of one allocation, on",
        "  average over allocations that are live together. The warm cache keeps nothing as large as 2 MiB.",
      ]).joined(separator: "\n") + "\n"
  }
}
