import Foundation
import Testing

@testable import VmallocTool

/// The alert rules and the metrics, judged by Prometheus' own tool.
@Suite(.enabled(if: Promtool.path != nil, "promtool is not installed (Debian's package prometheus)"))
struct MonitoringTests {
  @Test func theAlertRulesDoWhatTheirTestsSay() throws {
    let result = try Promtool.run(["test", "rules", "vmalloc.rules.test.yml"], input: "")
    #expect(result.status == 0, "\(result.output)")
  }

  /// Whatever is in a list, its metrics are read; promtool's advice on names and help texts has none to give.
  @Test(arguments: [
    Lists.morning, AllocinfoTests.file,
    Lists.morning + "VmallocTotal: 34359738367 kB\nVmallocUsed: 2092 kB\n",
    "0xffffc90000000000-0xffffc90000002000    8192 \"a\\b\"+0x1/0x2 [\u{e9}\"] pages=1 vmalloc N0=1\n",
  ])
  func metricsAreWellFormed(_ list: String) throws {
    let lines = try Lists.inspect(list).openMetrics
    #expect(lines.last == "# EOF")
    let result = try Promtool.run(["check", "metrics"], input: lines.joined(separator: "\n") + "\n")
    #expect(result.status == 0 && result.output.isEmpty, "\(result.output)")
  }
}

private enum Promtool {
  static let path = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    .map { "\($0)/promtool" }.first(where: FileManager.default.isExecutableFile)

  /// Runs it in the folder of the rules.
  static func run(_ arguments: [String], input: String) throws -> (status: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(filePath: path ?? "")
    process.arguments = arguments
    process.currentDirectoryURL =
      URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Monitoring").standardizedFileURL
    let (inPipe, outPipe) = (Pipe(), Pipe())
    process.standardInput = inPipe
    process.standardOutput = outPipe
    process.standardError = outPipe
    try process.run()
    try inPipe.fileHandleForWriting.write(contentsOf: Data(input.utf8))
    try inPipe.fileHandleForWriting.close()
    let data = outPipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let output = String(decoding: data, as: UTF8.self)
    return (
      process.terminationStatus,
      arguments.first == "test" ? output : output.trimmingCharacters(in: .whitespacesAndNewlines)
    )
  }
}
