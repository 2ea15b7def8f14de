import Figures
import Foundation
import Processes

/// A package's tests, or some of its targets: where they are built and how.
struct Suite: Equatable {
  let name: String
  let scratch: String
  /// The targets of tests that are built, between commas; empty for all.
  var only = ""
  var flags: [String] = []

  private func variables(_ variables: Variables) -> Variables {
    // Swift Testing walks the stack at every throw, to say where an error came from that ends a test.
    // Refusals and faults are thrown by the million here: four fifths of the time went there. Where an
    // error's source is wanted: `swift test --filter`.
    variables.with(["VMALLOC_TESTS": only, "SWT_SWIFT_ERROR_BACKTRACING_ENABLED": "0"])
  }

  func build(_ variables: Variables) -> Build {
    Build(
      arguments: ["--build-tests", "--scratch-path", scratch] + flags, variables: self.variables(variables))
  }

  private var stem: String {
    // Absolute, since `--package-path` changes the folder before the events are opened.
    FileManager.default.currentDirectoryPath + "/\(scratch)/test-"
      + String(name.lowercased().map { ("a"..."z").contains($0) ? $0 : "-" })
  }

  var log: String { stem + ".log" }
  private var events: String { stem + ".events" }

  /// Runs tests that are built.
  func run(_ variables: Variables, limit: TimeLimit) throws -> Outcome {
    let began = ContinuousClock.now
    try write("", to: events)
    let command = Command(
      "swift",
      [
        "test", "--disable-xctest", "--event-stream-version", "6.3", "--event-stream-output-path", events,
        "--skip-build", "--scratch-path", scratch,
      ] + flags, environment: self.variables(variables).all)
    let tick = Console.isTerminal ? { Console.write("\r\(name): \(endedTests()) ended ") } : nil
    let ending = try command.writing(to: log).start().wait(limit: limit.duration, tick: tick)
    if Console.isTerminal { Console.write("\r\u{1B}[K") }
    let counts = TestEvents(FileManager.default.contents(atPath: events) ?? Data())
    return Outcome(
      counts, ending, limit: limit, seconds: Int((ContinuousClock.now - began).components.seconds))
  }

  private func endedTests() -> Int {
    (contents(events) ?? "").split(separator: "\n").count { $0.contains(#""kind":"testEnded""#) }
  }

  /// The parts of a log that explain a failure: everything but the lines of tests that went well.
  static func explanation(_ log: String) -> [Substring] {
    let usual = /[◇✔➜━]|↳ (Testing Library|Target Platform)|\[[0-9]+\/[0-9]+\]/
    return log.split(separator: "\n").filter { $0.prefixMatch(of: usual) == nil }
  }
}

/// How long a suite may take.
struct TimeLimit: Equatable {
  let text: String
  let duration: Duration

  /// As `timeout` takes it: seconds, or a number and `s`, `m` or `h`.
  init(_ text: String) throws(Failure) {
    let units = ["": 1.0, "s": 1, "m": 60, "h": 3600]
    let unit = text.drop { $0.isNumber || $0 == "." }
    guard let number = Double(text.dropLast(unit.count)), let factor = units[String(unit)] else {
      throw Failure("test: VMALLOC_TEST_LIMIT is a time such as 25m, not \"\(text)\"", status: 2)
    }
    self.text = text
    duration = .seconds(number * factor)
  }
}

/// What has come of a suite. A process that ends badly is at least one failure, whatever its tests said.
struct Outcome: Equatable {
  let passed: Int
  let failed: Int
  let text: String

  init(_ counts: TestEvents, _ ending: Ending, limit: TimeLimit, seconds: Int) {
    let why = Self.reason(counts, ending, limit)
    passed = counts.passed
    failed = why.isEmpty ? counts.failed : max(1, counts.failed)
    text = "\(passed) passed, \(failed) failed, \(counts.skipped) skipped in \(seconds) s\(why)"
  }

  private static func reason(_ counts: TestEvents, _ ending: Ending, _ limit: TimeLimit) -> String {
    if ending.isLate { return "; stopped after \(limit.text)" }
    if !counts.hasEnded { return "; the process ended before its tests did (status \(ending.status))" }
    if counts.passed + counts.failed + counts.skipped == 0 { return "; no test was found" }
    return ending.status != 0 && counts.failed == 0 ? "; exit status \(ending.status)" : ""
  }
}
