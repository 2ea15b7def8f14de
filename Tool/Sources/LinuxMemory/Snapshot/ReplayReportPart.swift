/// Where in the report of this project's own replay a line is (`make run`, `vmalloc replay`): of its many
/// lines those of its list alone are areas, although others look like some.
enum ReplayReportPart {
  case none
  case figures
  case list

  /// Moves on by a line that is not one of a kernel's list; true where it is one of the report's figures.
  mutating func takes(_ line: Span<UInt8>) -> Bool {
    switch self {
    case .none:
      if line.find("swift-vmalloc: a recorded boot of Linux, replayed on ") == nil { return false }
      self = .figures
    case .figures:
      if line.find("/proc/vmallocinfo at the end") != nil { self = .list }
    case .list:
      // A blank line ends it, quoted or not.
      if LinePrefix.length(line) < line.count { return false }
      self = .figures
    }
    return true
  }
}
