/// The figures of `make bench` beside those of Linux and the goals. A row without a figure is "absent": the
/// function does not exist yet, or the run that measures it was left out. Below it, the same operations on
/// other architectures, pairs in full machines
/// beside those in an empty one, what CPUs share, what is kept for a live area, and how often its use makes a
/// CPU walk the tables.
public struct BenchTables {
  let figures: Figures
  let anchors: Anchors

  public init(_ figures: Figures, _ anchors: Anchors) {
    self.figures = figures
    self.anchors = anchors
  }

  public var text: String {
    [operations, ports, growth, sharing, memory, access].filter { !$0.isEmpty }
      .map { $0.joined(separator: "\n") + "\n" }.joined(separator: "\n")
  }

  private var operations: [String] {
    func line(_ cells: [String]) -> String {
      columns(
        (cells[0], -34), (cells[1], 10), (cells[2], 10), (cells[3], 7), (cells[4], 9), ("", 2),
        (cells[5], -9),
        (cells[6], 10), (cells[7], 10), (cells[8], 7))
    }
    func ratio(_ ours: Double?, _ theirs: Double?) -> String {
      guard let ours, let theirs else { return "-" }
      return (ours / theirs).fixed(2)
    }
    var lines = [
      line([
        "instructions per operation", "1 CPU", "Linux", "ratio", "goal", "", "2 CPUs", "Linux", "ratio",
      ])
    ]
    var (met, goals) = (0, 0)
    for row in anchors.rows where row.isOperation {
      let (one, two) = (figures[row.name], figures[row.name + "_2cpu"])
      var outcome = one == nil ? "absent" : "-"
      if let goal = row.goal {
        goals += 1
        if let one {
          outcome = verdict(one, goal)
          if one <= goal { met += 1 }
        }
      }
      lines.append(
        line([
          row.operation, one?.grouped ?? "-", row.linux?.grouped ?? "-", ratio(one, row.linux),
          row.goal?.grouped ?? "-", outcome, two?.grouped ?? "-", row.linuxWithTwoCPUs?.grouped ?? "-",
          ratio(two, row.linuxWithTwoCPUs),
        ]))
    }
    return lines + ["\(met) of \(goals) goals met"]
  }
}
