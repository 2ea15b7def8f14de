import Foundation
import Testing

/// What is printed of the recorded boot, whole files, as a user sees it. `VMALLOC_GOLDEN=write` writes them
/// anew; what changed is then in the commit for everybody to judge.
@Suite struct GoldenTests {
  @Test(arguments: [
    ("inspect.txt", ["inspect", "-", "--meminfo", Boot.meminfo, "--histogram", "--top", "0"], Boot.list),
    ("inspect.json", ["inspect", "-", "--meminfo", Boot.meminfo, "-j"], Boot.list),
    ("inspect.prom", ["inspect", "-", "--meminfo", Boot.meminfo, "-p"], Boot.list),
    ("modules.csv", ["inspect", "-", "--by", "module", "--format", "csv"], Boot.list),
    ("replay.txt", ["replay", "-"], Boot.trace),
    (
      "policies.txt", ["replay", "-", "--policy", "strict", "--policy", "lazy", "--policy", "warm,guard=0"],
      Boot.trace
    ),
    ("vmallocinfo.txt", ["inspect", "-", "--format", "kernel", "--sort", "count", "--top", "0"], Boot.list),
  ])
  func theRecordedBootIsPrintedAsBefore(_ name: String, _ arguments: [String], _ input: String) throws {
    let result = try Program.run(arguments, input: Array(try Data(contentsOf: URL(filePath: input))))
    #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
    // The list as a kernel prints it is the recorded file itself.
    let golden =
      name == "vmallocinfo.txt"
      ? URL(filePath: Boot.list)
      : URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/" + name)
    if ProcessInfo.processInfo.environment["VMALLOC_GOLDEN"] == "write", golden.path != Boot.list {
      try result.output.write(to: golden, atomically: true, encoding: .utf8)
    }
    let expected = Self.lines(try String(contentsOf: golden, encoding: .utf8))
    let printed = Self.lines(result.output)
    let line = zip(expected, printed).enumerated().first { $0.element.0 != $0.element.1 }
    #expect(
      expected == printed,
      "\(name), line \((line?.offset ?? min(expected.count, printed.count)) + 1): \(line?.element.1 ?? "one of them ends")"
    )
  }

  /// The lines; of those about where frames lie the words alone, since that is up to the manager's records.
  private static func lines(_ text: String) -> [String] {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      let isOfFrames = ["frames", "peak memory", " runs"].contains { line.contains($0) }
      return isOfFrames ? String(line.filter { !$0.isNumber && $0 != " " && $0 != "," }) : String(line)
    }
  }
}
