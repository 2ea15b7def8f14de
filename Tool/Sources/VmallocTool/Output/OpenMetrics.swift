/// Metrics in the text form of OpenMetrics, which Prometheus and node_exporter's textfile collector read.
struct OpenMetrics {
  private(set) var lines: [String] = []

  /// A family of gauges. A name that ends in `_bytes` has that unit.
  mutating func gauges(
    _ name: String, _ help: String, _ samples: [(labels: [(String, String)], value: String)]
  ) {
    if samples.isEmpty { return }
    lines.append("# HELP \(name) \(help)")
    lines.append("# TYPE \(name) gauge")
    if name.hasSuffix("_bytes") { lines.append("# UNIT \(name) bytes") }
    for sample in samples {
      let labels = sample.labels.map { "\($0.0)=\"\(Self.escaped($0.1))\"" }.joined(separator: ",")
      lines.append(name + (labels.isEmpty ? "" : "{\(labels)}") + " " + sample.value)
    }
  }

  /// One gauge without labels.
  mutating func gauge(_ name: String, _ help: String, _ value: some BinaryInteger) {
    gauges(name, help, [([], String(value))])
  }

  /// The whole text.
  var text: [String] { lines + ["# EOF"] }

  private static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\"": result += "\\\""
      case "\n": result += "\\n"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
