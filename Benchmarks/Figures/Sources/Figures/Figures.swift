/// What a run of `make bench` has counted, by name. A figure keeps the digits in which it was printed.
public struct Figures {
  private var rows: [(name: String, text: String)] = []
  private var texts: [String: String] = [:]

  /// The lines `bench NAME NUMBER` of a log. A name that comes twice, or something that is no number, is a
  /// fault of the run, not something to pass on.
  public init(log: String) throws(BadFigures) {
    for line in log.split(whereSeparator: \.isNewline) {
      let fields = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
      guard fields.first == "bench" else { continue }
      guard fields.count == 3, Self.isName(fields[1]), Self.isNumber(fields[2]),
        texts[String(fields[1])] == nil
      else { throw BadFigures("bench: cannot use the line: \(line)") }
      add(String(fields[1]), String(fields[2]))
    }
    if rows.isEmpty { throw BadFigures("bench: the kernel printed no figure") }
  }

  private mutating func add(_ name: String, _ text: String) {
    rows.append((name, text))
    texts[name] = text
  }

  private static func isName(_ text: Substring) -> Bool {
    text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
  }

  private static func isNumber(_ text: Substring) -> Bool {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count <= 2 && parts.allSatisfy { !$0.isEmpty && $0.allSatisfy { ("0"..."9").contains($0) } }
  }

  /// A flat object of numbers, a line each.
  public var json: String {
    "{\n" + rows.map { "  \"\($0.name)\": \($0.text)" }.joined(separator: ",\n") + "\n}\n"
  }

  subscript(name: String) -> Double? { texts[name].flatMap(Double.init) }

  /// As it was printed; empty where there is none.
  func text(_ name: String) -> String { texts[name] ?? "" }
}

/// What a run has printed cannot be used.
public struct BadFigures: Error, CustomStringConvertible {
  public let description: String
  init(_ description: String) { self.description = description }
}
