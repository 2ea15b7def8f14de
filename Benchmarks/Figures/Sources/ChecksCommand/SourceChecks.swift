import Checks
import Foundation
import Processes

/// The checks that read sources and build nothing.
struct SourceChecks {
  private let report: Report

  init(_ report: Report) { self.report = report }

  func run() throws {
    let paths = try repositoryFiles()
    let swift = paths.filter { $0.hasSuffix(".swift") }
    let scripts = paths.filter { $0.hasSuffix(".sh") || $0 == ".ci/run" }
    report.say(
      Verdict(
        "swift format, \(swift.count) files",
        try Run("swift", ["format", "lint", "--strict", "--parallel"] + swift).complaints(of: "swift format"))
    )
    let sources = paths.filter { $0.hasSuffix(".swift") || $0.hasSuffix(".c") || $0.hasSuffix(".h") }
    let files = sources.compactMap { path in
      FileManager.default.contents(atPath: path).map { SourceFile(path, String(decoding: $0, as: UTF8.self)) }
    }
    SourceRules(files).verdicts.forEach(report.say)
    report.say(
      Verdict(
        "shell syntax, \(scripts.count) files",
        try scripts.flatMap { try Run("bash", ["-n", $0]).complaints(of: $0) }))
    if try Run("sh", ["-c", "command -v shellcheck"]).succeeded {
      let run = try Run("shellcheck", ["--external-sources", "--source-path=SCRIPTDIR:."] + scripts)
      report.say(Verdict("shellcheck", run.complaints(of: "shellcheck")))
    }
  }

  /// New ones included, deleted ones left out.
  private func repositoryFiles() throws -> [String] {
    let listed = try Run.text("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
    let paths = Set(listed.split(separator: "\0").map(String.init))
    guard !paths.isEmpty else { throw Unable("git lists no file here") }
    return paths.filter(FileManager.default.fileExists).sorted()
  }
}
