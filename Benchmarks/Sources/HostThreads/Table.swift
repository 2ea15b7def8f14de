/// Cells of the tables that are printed.
enum Table {
  static func left(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  static func rate(_ value: Double) -> String { right("\(Int(value))", 12) }
  static func ratio(_ value: Double) -> String { right(hundredths(value), 7) }

  static func hundredths(_ value: Double) -> String {
    let all = Int(value * 100 + 0.5)
    return "\(all / 100)." + right("\(all % 100)", 2).replacing(" ", with: "0")
  }
}

/// What a figure in real time should be, at most. A rate says nothing on its own; these are of two in one
/// run.
struct Goal {
  let name: String
  let value: Double
  let limit: Double

  /// A pair while another thread does the same, of one alone.
  static func besideAnother(_ name: String, _ alone: Entrant, _ together: Entrant) -> Goal {
    Goal(name: name + ", two threads", value: together.nanoseconds / alone.nanoseconds, limit: 1.1)
  }

  var text: String {
    let outcome = value <= limit ? "met" : "not met"
    return Table.left("  " + name, 34) + Table.ratio(value) + "  at most \(limit): \(outcome)"
  }
}
