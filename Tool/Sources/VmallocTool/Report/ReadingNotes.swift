import LinuxMemory

extension ReadReport {
  /// What was joined, stripped or could not be read, in sentences; nothing for a text as kernels print it.
  var notes: [String] {
    var parts: [String] = []
    func add(_ damage: Damage, _ one: String, _ many: String) {
      let count = self[damage]
      if count > 0 { parts.append("\(count) \(count == 1 ? one : many)") }
    }
    add(.joined, "line joined to the one before", "lines joined to those before")
    add(.split, "area found in the middle of a line", "areas found in the middle of lines")
    add(.stripped, "line with a prefix or a note stripped", "lines with a prefix or a note stripped")
    add(.mended, "line with encoded characters mended", "lines with encoded characters mended")
    add(.elided, "line that stands for others left out", "lines that stand for others left out")
    add(.cut, "area with a part missing", "areas with a part missing")
    add(.unread, "line that could not be read", "lines that could not be read")
    var notes = parts.isEmpty ? [] : ["Read \(lines) lines: \(parts.joined(separator: ", "))."]
    for (line, text) in firstUnread.prefix(1) {
      notes.append("The first unread line is \(line): \(Text.printable(text, 70))")
    }
    if removedByDiff > 0 {
      notes.append(
        "\(removedByDiff) lines are marked as removed by diff; their areas are counted all the same.")
    }
    if traceLines > 0 {
      notes.append("\(traceLines) lines are events of a trace, which vmalloc replay reads.")
    }
    return notes
  }
}
