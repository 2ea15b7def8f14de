/// What Linux takes, and what this project aims at (Benchmarks/linux-6.12.tsv).
public struct Anchors: Sendable {
  struct Row: Sendable {
    let name: String
    let operation: String
    let linux: Double?
    let linuxWithTwoCPUs: Double?
    let goal: Double?
    /// Whether it is in the table of operations; all others have tables of their own.
    var isOperation: Bool { !Self.otherKinds.contains { name.hasPrefix($0) } }

    private static let otherKinds = ["memory_", "growth_", "contention_"]
  }

  let rows: [Row]

  public init(tsv: String) {
    rows = tsv.split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("#") }.compactMap { line in
      let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      guard fields.count == 5 else { return nil }
      return Row(
        name: fields[0], operation: fields[1], linux: Double(fields[2]), linuxWithTwoCPUs: Double(fields[3]),
        goal: Double(fields[4]))
    }
  }

  subscript(name: String) -> Row? { rows.first { $0.name == name } }

  func goal(_ name: String) -> Double? { self[name]?.goal }
}
