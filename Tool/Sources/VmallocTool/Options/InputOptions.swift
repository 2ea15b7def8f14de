import ArgumentParser
import LinuxMemory

/// What every command that reads a list has in common.
struct InputOptions: ParsableArguments {
  static let live = "/proc/vmallocinfo"

  @Option(help: "A copy of /proc/meminfo or /proc/vmstat to compare the sums with.", completion: .file())
  var meminfo: String?

  @Flag(help: "Refuse text that is not exactly as a kernel prints it, with the line's number.")
  var strict = false

  /// Reads a list, and the kernel's own sums where the list is the running kernel's.
  func read(_ path: String, keepingAreas: Bool = false) throws -> Snapshot {
    var snapshot = try Snapshot.read(path: path, keepingAreas: keepingAreas, isStrict: strict)
    if path == Self.live {
      for other in ["/proc/meminfo", "/proc/vmstat"] {
        if let sums = try? Snapshot.read(path: other) { snapshot.meminfo.fill(from: sums.meminfo) }
      }
    }
    if let meminfo { snapshot.meminfo.fill(from: try Snapshot.read(path: meminfo).meminfo) }
    try Self.refuseUseless(snapshot)
    return snapshot
  }

  /// A text without any area, sum or site is an error with its reason.
  static func refuseUseless(_ snapshot: Snapshot) throws {
    if !snapshot.isEmpty { return }
    let report = snapshot.report
    let reason: String
    if report.lines == 0 {
      reason = "it is empty"
    } else if report.traceLines > 0 {
      reason = "it is a trace of vmalloc events: use vmalloc replay"
    } else if let first = report.firstUnread.first {
      reason =
        "no line of it is from /proc/vmallocinfo, /proc/allocinfo or /proc/meminfo; line \(first.line) is:"
        + " \(Text.printable(first.text, 60))"
    } else {
      reason = "no line of it is from /proc/vmallocinfo, /proc/allocinfo or /proc/meminfo"
    }
    throw InputError.unsuitable(snapshot.name, reason)
  }
}

/// Text from a file as it may be shown.
enum Text {
  /// The text without bytes that would move a terminal's cursor, and not longer than that.
  static func printable(_ text: String, _ limit: Int) -> String {
    let scalars = text.unicodeScalars.map {
      $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) ? "\u{FFFD}" : $0
    }
    var result = ""
    result.unicodeScalars.append(contentsOf: scalars)
    return Table.shortened(result, to: limit)
  }
}
