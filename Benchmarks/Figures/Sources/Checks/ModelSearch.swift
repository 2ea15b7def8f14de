/// A line of Models/searches.tsv: a model to search, and what is to be found.
public struct ModelSearch: Equatable, Sendable {
  public let model: String
  /// Whether what is waited for must come in every run, rather than that no assertion fails.
  public let isOfProgress: Bool
  /// `holds`, `cycle`, or the name of the assertion that must fail.
  public let expected: String
  /// What is defined.
  public let options: [String]
  public let what: String

  /// The lines to search.
  /// - Parameter long: those that take long, too.
  public static func all(tsv: String, long: Bool) -> [ModelSearch] {
    tsv.split(separator: "\n").compactMap { line in
      let columns = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      guard !line.hasPrefix("#"), columns.count >= 6, long || columns[1] == "usual" else { return nil }
      return ModelSearch(
        model: columns[0], isOfProgress: columns[2] == "progress", expected: columns[3],
        options: columns[4].split(separator: " ").map(String.init), what: columns[5])
    }
  }
}

/// What a program that Spin has written prints of its search.
public struct SearchLog: Equatable, Sendable {
  /// As in the table: `holds`, `cycle`, an assertion's name, or another error; `unfinished` where it has not
  /// come to its end.
  public let verdict: String
  /// States, depth and seconds; empty where it does not say.
  public private(set) var figures = ["", "", ""]

  public init(_ text: String) {
    let lines = text.split(separator: "\n")
    verdict = Self.error(lines) ?? (Self.isComplete(text) ? "holds" : "unfinished")
    for line in lines {
      let words = line.split(separator: " ")
      if line.contains(" states, stored") { figures[0] = String(words[0]) }
      if let depth = line.firstMatch(of: /depth reached ([0-9]+)/) { figures[1] = String(depth.1) }
      if line.contains("elapsed time"), words.count > 3 { figures[2] = String(words[3]) }
    }
  }

  private static func error(_ lines: [Substring]) -> String? {
    guard let error = lines.lazy.compactMap({ $0.wholeMatch(of: /pan:[0-9]*: (.*) \(at depth.*/) }).first
    else {
      return nil
    }
    if let assertion = error.1.wholeMatch(of: /assertion violated.*!\((.*)\)/) { return String(assertion.1) }
    return error.1.hasPrefix("acceptance cycle") ? "cycle" : String(error.1)
  }

  private static func isComplete(_ text: String) -> Bool {
    text.contains("errors: 0")
      && !["Search not completed", "max search depth", "out of memory"].contains { text.contains($0) }
  }
}
