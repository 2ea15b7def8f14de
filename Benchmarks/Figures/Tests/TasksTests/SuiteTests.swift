import Figures
import Foundation
import Processes
import Testing

@testable import Tasks

@Suite struct SuiteTests {
  /// What has come of a run whose tests have ended so, and whose process ended with a status.
  private func outcome(
    _ tests: [String], isEnded: Bool = true, status: Int32 = 0, isLate: Bool = false
  ) throws -> Outcome {
    var lines: [String] = []
    for (number, end) in tests.enumerated() {
      lines.append(#"{"kind":"test","payload":{"id":"\#(number)","kind":"function"}}"#)
      lines.append(
        #"{"kind":"event","payload":{"kind":"testEnded","testID":"\#(number)","messages":[{"symbol":"\#(end)"}]}}"#
      )
    }
    if isEnded { lines.append(#"{"kind":"event","payload":{"kind":"runEnded"}}"#) }
    let events = TestEvents(Data(lines.joined(separator: "\n").utf8))
    return Outcome(
      events, Ending(status: status, isLate: isLate), limit: try TimeLimit("25m"), seconds: 3)
  }

  @Test func testsAreCounted() throws {
    let good = try outcome(["pass", "pass"])
    #expect(good.text == "2 passed, 0 failed, 0 skipped in 3 s" && good.passed == 2 && good.failed == 0)
    #expect(try outcome(["pass", "fail", "fail"], status: 1).text == "1 passed, 2 failed, 0 skipped in 3 s")
  }

  @Test func aProcessThatEndsBadlyIsAFailure() throws {
    let crashed = try outcome(["pass"], isEnded: false, status: 139)
    #expect(crashed.failed == 1)
    #expect(crashed.text.hasSuffix("; the process ended before its tests did (status 139)"))
    #expect(try outcome(["pass"], status: 1).text.hasPrefix("1 passed, 1 failed"))
    #expect(try outcome(["pass"], status: 1).text.hasSuffix("; exit status 1"))
    #expect(try outcome([]).text == "0 passed, 1 failed, 0 skipped in 3 s; no test was found")
    #expect(try outcome(["pass"], isEnded: false).failed == 1)
  }

  @Test func whatWasStoppedIsAFailure() throws {
    let late = try outcome(["pass", "pass"], status: 0, isLate: true)
    #expect(late.failed == 1 && late.text.hasSuffix("; stopped after 25m"))
  }

  @Test func limitsAreThoseOfTimeout() throws {
    let limits = try ["90", "90s", "1.5m", "8h"].map { try TimeLimit($0).duration }
    #expect(limits == [.seconds(90), .seconds(90), .seconds(90), .seconds(28_800)])
    for text in ["", "m", "2w", "x"] { #expect(throws: Failure.self) { try TimeLimit(text) } }
  }

  /// A target that no suite names is one of the unit tests.
  @Test func everyTargetIsInASuite() {
    let suites = TestTask.suites(targets: [
      "ThreadTests", "NewTests", "HeavyTests", "AblationTests", "TestSupport",
    ])
    #expect(suites.first { $0.name == "unit tests" }?.only == "NewTests,ThreadTests")
    let others = Set(suites.dropFirst(2).flatMap { $0.only.split(separator: ",") })
    #expect(others == ["HeavyTests", "AblationTests", "ThreadTests"])
    // None is built over another one.
    let places = suites.map { $0.scratch }
    #expect(Set(places).count == suites.count)
  }

  @Test func aLogExplainsWhatFailed() {
    let log = """
      [3/17] Compiling
      ◇ Test a() started.
      ✔ Test a() passed
      ↳ Target Platform: x
      ✘ Test b() recorded an issue

      ↳ 1 == 2
      Fatal error: Index out of range
      """
    #expect(
      Suite.explanation(log) == [
        "✘ Test b() recorded an issue", "↳ 1 == 2", "Fatal error: Index out of range",
      ])
  }
}
