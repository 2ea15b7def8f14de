/// What happened to the lines of a text: nothing is left out without being counted here.
public struct ReadReport: Equatable, Sendable {
  /// A kind of damage that was undone or counted.
  public enum Damage: String, CaseIterable, Sendable {
    /// A line that was joined to the one before it.
    case joined
    /// An area that began in the middle of a line, after a lost newline.
    case split
    /// A line whose prefix or trailing note was left out.
    case stripped
    /// A line in which encoded or invisible characters were replaced.
    case mended
    /// A line that says that others were left out.
    case elided
    /// An area of which a part is missing.
    case cut
    /// A line that could not be read.
    case unread
  }

  /// Lines of the text.
  public var lines = 0
  /// How often each kind of damage came.
  public private(set) var counts: [Damage: Int] = [:]
  /// The first lines that could not be read.
  public private(set) var firstUnread: [(line: Int, text: String)] = []
  /// Areas on lines that diff marks as removed.
  public var removedByDiff = 0
  /// Lines of other files that lay beside the list, such as the rest of /proc/meminfo.
  public var foreign = 0
  /// Lines of a trace.
  public var traceLines = 0

  public init() {}

  public subscript(_ damage: Damage) -> Int { counts[damage] ?? 0 }

  /// Whether every line was read as a kernel prints it.
  public var isClean: Bool { counts.isEmpty }

  mutating func add(_ damage: Damage) { counts[damage, default: 0] += 1 }

  mutating func addUnread(_ line: Int, _ text: String) {
    add(.unread)
    if firstUnread.count < 3 { firstUnread.append((line, text)) }
  }

  public static func == (a: ReadReport, b: ReadReport) -> Bool {
    a.lines == b.lines && a.counts == b.counts && a.removedByDiff == b.removedByDiff && a.foreign == b.foreign
      && a.traceLines == b.traceLines
      && a.firstUnread.elementsEqual(b.firstUnread) { $0.line == $1.line && $0.text == $1.text }
  }
}

/// A line that `--strict` does not accept.
public struct DamagedLine: Error, CustomStringConvertible {
  /// The name of the file.
  public let name: String
  /// The line's number, from 1.
  public let line: Int
  /// What is wrong with it.
  public let damage: ReadReport.Damage

  public var description: String {
    let what =
      switch damage {
      case .joined: "it goes on from the line before"
      case .split: "two areas are on one line"
      case .stripped: "something stands before or behind what a kernel prints"
      case .mended: "characters in it are encoded or invisible"
      case .elided: "lines were left out here"
      case .cut: "a part of the area is missing"
      case .unread: "it cannot be read"
      }
    return "\(name): line \(line): \(what)."
  }
}
