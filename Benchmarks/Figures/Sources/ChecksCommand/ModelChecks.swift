import Checks
import Foundation
import Processes
import Synchronization

/// Searches the models of the protocol (Models/README.md) with Spin, each to its end, as many at once as
/// there are cores; the long ones one after the other. What is found is in .build-models/results.tsv.
struct ModelChecks {
  private static let built = ".build-models"
  private static let table = "Models/searches.tsv"
  private let report: Report
  private let long: Bool

  init(_ report: Report, long: Bool) {
    self.report = report
    self.long = long
  }

  /// A search and what it has found, or why there is nothing.
  private struct Found: Sendable {
    let search: ModelSearch
    let log: SearchLog
    let complaint: String?

    var isAsExpected: Bool { complaint == nil && log.verdict == search.expected }

    var row: String {
      ([search.model, search.options.joined(separator: " "), search.expected, log.verdict] + log.figures + [
        search.what
      ])
      .joined(separator: "\t")
    }
  }

  func run() throws {
    let tsv = try String(contentsOfFile: Self.table, encoding: .utf8)
    let searches = ModelSearch.all(tsv: tsv, long: long)
    guard !searches.isEmpty else { throw Unable("models: there is nothing in \(Self.table)") }
    try? FileManager.default.removeItem(atPath: Self.built)
    let all = searchAll(searches)
    let heading = "model\toptions\texpected\tfound\tstates\tdepth\tseconds\twhat"
    try ([heading] + all.map(\.row) + [""]).joined(separator: "\n")
      .write(toFile: Self.built + "/results.tsv", atomically: true, encoding: .utf8)
    for (number, found) in all.enumerated() where !found.isAsExpected { report.say(complaint(found, number)) }
    guard report.isClean else { return }
    let holding = all.filter { $0.log.verdict == "holds" }
    let models = Set(holding.map(\.search.model)).count
    print(
      "models: \(models) hold, in \(holding.count) searches; "
        + "\(all.count - holding.count) safeguards removed, and each is missed")
  }

  private func searchAll(_ searches: [ModelSearch]) -> [Found] {
    let results = Mutex<[Int: Found]>([:])
    let isLong = long
    let queue = OperationQueue()
    queue.maxConcurrentOperationCount = long ? 1 : ProcessInfo.processInfo.activeProcessorCount
    for (number, search) in searches.enumerated() {
      queue.addOperation {
        let found: Found
        do {
          found = try Self.search(search, in: "\(Self.built)/\(number)", isLong)
        } catch {
          found = Found(search: search, log: SearchLog(""), complaint: "\(error)")
        }
        results.withLock { $0[number] = found }
      }
    }
    queue.waitUntilAllOperationsAreFinished()
    return results.withLock { results in searches.indices.compactMap { results[$0] } }
  }

  /// Has Spin write a program, compiled well where it will search for long, and runs it.
  private static func search(_ search: ModelSearch, in folder: String, _ isLong: Bool) throws -> Found {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let model = FileManager.default.currentDirectoryPath + "/Models/\(search.model).pml"
    let kind = search.isOfProgress ? "-DNFAIR=3" : "-DSAFETY"
    let flags = [kind] + (search.expected == "holds" ? ["-O2"] : [])
    let steps = [
      ["spin", "-a"] + search.options.map { "-D" + $0 } + [model],
      ["cc", "-w"] + flags + ["-DCOLLAPSE", "-DMEMLIM=\(isLong ? 12_000 : 900)", "-o", "pan", "pan.c"],
    ]
    for step in steps {
      let run = try Run(step[0], Array(step.dropFirst()), folder: folder)
      guard run.succeeded else { return Found(search: search, log: SearchLog(""), complaint: run.text) }
    }
    let options = (search.isOfProgress ? ["-a", "-f"] : ["-E"]) + ["-m1000000", "-n"]
    let run = try Run("./pan", options, folder: folder)
    try run.text.write(toFile: folder + "/log", atomically: true, encoding: .utf8)
    return Found(search: search, log: SearchLog(run.text), complaint: nil)
  }

  private func complaint(_ found: Found, _ number: Int) -> Verdict {
    let (search, folder) = (found.search, "\(Self.built)/\(number)")
    let name = ([search.model] + search.options).joined(separator: " ")
    let replay = "spin -t -p -k \(search.model).pml.trail" + search.options.map { " -D" + $0 }.joined()
    let more =
      switch found.log.verdict {
      case _ where found.complaint != nil: found.complaint ?? ""
      case "unfinished": "see \(folder)/log"
      case "holds": "nothing was found"
      default: "cd \(folder) && \(replay) ../../Models/\(search.model).pml"
      }
    return Verdict("models: \(name): \(found.log.verdict), where \(search.expected) was expected", [more])
  }
}
