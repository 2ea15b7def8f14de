/// The rules that are seen in the text of the sources: sizes, what the core must not contain, and where what
/// may be named.
public struct SourceRules {
  private let swift: [SourceFile]
  private let core: [SourceFile]
  /// Swift, and C that a host builds: all but the checks themselves, which have the names as texts.
  private let hosted: [SourceFile]

  /// - Parameter files: the repository's, of whatever kind.
  public init(_ files: [SourceFile]) {
    swift = files.filter { $0.path.hasSuffix(".swift") }
    core = swift.filter { $0.isIn("Sources/KernelMemory") }
    hosted = files.filter { file in
      [".swift", ".c", ".h"].contains { file.path.hasSuffix($0) } && !file.isIn("Benchmarks/Figures")
    }
  }

  private static let tables = "Sources/KernelMemory/PageTables"
  private static let formats = tables + "/Formats"

  public var verdicts: [Verdict] {
    [
      Verdict("no comment over 110 columns", swift.flatMap(longComments)),
      Verdict("no Swift file over 400 lines", longer(400) { _ in true }),
      Verdict(
        "no file of the walker over 300 lines", longer(300) { $0.isIn(Self.tables, directly: true) }),
      Verdict("no page-table format over 150 lines", longer(150) { $0.isIn(Self.formats) }),
      Verdict(
        "no class, existential, boxed case or Foundation in the core", core.flatMap(heapWords)),
      Verdict(
        "every read-modify-write in the core is one that is counted (SharedUpdate.swift)",
        core.flatMap(uncountedUpdates)),
      Verdict("no choice by architecture outside BareMetal and Formats.swift", choicesByArchitecture),
      Verdict("no page-table format is named outside Formats.swift", formatNames),
      Verdict(
        "no file of a host names what one system alone has", hosted.flatMap { HostNames($0).offences }),
    ]
  }

  private func longer(_ limit: Int, _ isMeant: (SourceFile) -> Bool) -> [String] {
    swift.filter { isMeant($0) && $0.lines.count > limit }
      .map { "\($0.path): \($0.lines.count) lines, at most \(limit)" }
  }

  /// What swift format leaves alone. Tables and drawings are indented, and may be wider.
  private func longComments(_ file: SourceFile) -> [String] {
    file.offences { number in
      let line = file.lines[number]
      guard line.utf8.count > 110, line.count > 110 else { return false }
      let text = line.drop { $0 == " " }
      guard text.hasPrefix("//") else { return false }
      return text.hasPrefix("///") || text.dropFirst(2).prefix(2).contains { $0 != " " }
    }
  }

  /// `-no-allocations` finds what allocates; these words are refused even where nothing comes of them.
  private func heapWords(_ file: SourceFile) -> [String] {
    file.offences(with: ["class ", "indirect ", "any ", "import "]) { number in
      let line = file.code[number]
      return line.contains(/(^|[^A-Za-z_.])(class [A-Z]|indirect (enum|case) )/)
        || line.contains(/(^|[^A-Za-z_])any [A-Z]/)
        || line.contains(/import (Foundation|Dispatch|Glibc|Musl|Darwin)/)
    }
  }

  /// Those that are neither on the line of `updating(` nor on the next.
  private func uncountedUpdates(_ file: SourceFile) -> [String] {
    file.offences(with: ["xchange(", "ordering: "]) { number in
      let line = file.code[number]
      let isUpdate =
        line.contains(/\.(weakC|c)ompareExchange\(|\.exchange\(/)
        || line.contains(/\.(wrapping)?([aA]dd|[sS]ubtract)\(.*ordering:[ ]/)
        || line.contains(/\.(max|min|bitwise[A-Z][a-z]+)\(.*ordering:[ ]/)
      guard isUpdate, !line.contains(".load(") else { return false }
      return !file.code[max(0, number - 1)...number].contains { $0.contains("updating(") }
    }
  }

  /// Formats.swift chooses the format that the walker is compiled for.
  private var choicesByArchitecture: [String] {
    let portable = swift.filter {
      $0.isIn("Sources") && !$0.isIn("Sources/BareMetal") && $0.path != Self.tables + "/Formats.swift"
    }
    return portable.flatMap { file in
      file.offences(with: ["arch("]) { file.code[$0].contains(/#(if|elseif).*arch\(/) }
    }
  }

  private var formatNames: [String] {
    let names = core.filter { $0.isIn(Self.formats) }.map { $0.name.dropLast(".swift".count) }
    let others = core.filter { !$0.isIn(Self.formats) && $0.path != Self.tables + "/Formats.swift" }
    return others.flatMap { file in
      file.offences { number in names.contains { file.code[number].hasWord($0) } }
    }
  }
}
