/// A file of the repository.
public struct SourceFile: Sendable {
  public let path: String
  let lines: [Substring]
  /// Of each line what is no comment; of nothing but sources.
  let code: [Substring]

  public init(_ path: String, _ text: String) {
    self.path = path
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    if lines.last == "" { lines.removeLast() }
    self.lines = lines
    let isSource = path.hasPrefix("Sources/") && path.hasSuffix(".swift")
    code =
      isSource ? lines.map { line in line.firstRange(of: "//").map { line[..<$0.lowerBound] } ?? line } : []
  }

  var name: Substring { path.split(separator: "/").last ?? "" }

  /// Whether it is in a folder, however deep, and, with `directly`, in no folder of that.
  func isIn(_ folder: String, directly: Bool = false) -> Bool {
    path.hasPrefix(folder + "/") && (!directly || !path.dropFirst(folder.utf8.count + 1).contains("/"))
  }

  /// As `offences`, of the lines in whose code there is one of `words`: patterns take longer to look for.
  func offences(with words: [String], _ isOffence: (Int) -> Bool) -> [String] {
    offences { number in words.contains { code[number].contains($0) } && isOffence(number) }
  }

  /// `PATH:LINE: TEXT` for each line that `isOffence` says it of.
  func offences(_ isOffence: (Int) -> Bool) -> [String] {
    lines.indices.filter(isOffence).map { "\(path):\($0 + 1): \(lines[$0])" }
  }
}

/// What a check has found: well where there are no offences.
public struct Verdict: Equatable {
  public let name: String
  public let offences: [String]

  public init(_ name: String, _ offences: [String]) {
    self.name = name
    self.offences = offences
  }

  public var text: String {
    (["lint: " + (offences.isEmpty ? "ok      " : "FAILED  ") + name] + offences.map { "  " + $0 })
      .joined(separator: "\n")
  }
}

extension Substring {
  /// Whether there is `word` and nothing of a name directly before or behind it.
  func hasWord(_ word: Substring) -> Bool {
    var rest = self
    while let range = rest.firstRange(of: word) {
      let before = range.lowerBound > startIndex ? self[index(before: range.lowerBound)] : " "
      let behind = range.upperBound < endIndex ? self[range.upperBound] : " "
      if !before.isOfName && !behind.isOfName { return true }
      rest = self[range.upperBound...]
    }
    return false
  }
}

extension Character {
  var isOfName: Bool { self == "_" || isASCII && (isLetter || isNumber) }
}
