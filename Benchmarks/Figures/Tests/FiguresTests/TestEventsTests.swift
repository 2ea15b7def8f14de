import Foundation
import Testing

@testable import Figures

@Suite struct TestEventsTests {
  private func planned(_ id: String, kind: String = "function") -> String {
    #"{"kind":"test","payload":{"id":"\#(id)","isParameterized":false,"kind":"\#(kind)","name":"f()"},"version":"6.3.0"}"#
  }

  private func event(_ kind: String, _ id: String?, _ symbol: String = "pass", _ text: String = "x") -> String
  {
    let test = id.map { #","testID":"\#($0)""# } ?? ""
    return
      #"{"kind":"event","payload":{"instant":{"absolute":1},"kind":"\#(kind)","messages":[{"symbol":"\#(symbol)","#
      + #""text":"\#(text)"}]\#(test)},"version":"6.3.0"}"#
  }

  private func counts(_ lines: String...) -> [Int] {
    let events = TestEvents(Data(lines.joined(separator: "\n").utf8))
    return [events.passed, events.failed, events.skipped, events.hasEnded ? 1 : 0]
  }

  @Test func eachPlannedTestHasOneOutcome() {
    let counts = counts(
      planned("S", kind: "suite"), planned("S/a"), planned("S/b"), planned("S/c"), planned("S/d"),
      event("testStarted", "S/a"), event("testEnded", "S/a"), event("issueRecorded", "S/b", "fail"),
      event("testEnded", "S/b", "fail"), event("testSkipped", "S/c", "skip"), event("testEnded", "S/d"),
      event("testEnded", "S"), event("runEnded", nil))
    #expect(counts == [2, 1, 1, 1])
  }

  /// Whatever it was about to do.
  @Test func whatNeverEndedHasFailed() {
    let counts = counts(
      planned("S/a"), planned("S/b"), planned("S/c"), event("testEnded", "S/a"), event("testStarted", "S/b"),
      #"{"kind":"event","payload":{"kind":"testEnded","testID":"S/b""#)
    #expect(counts == [1, 2, 0, 0])
  }

  @Test func anIssueOfNoTestIsAFailure() {
    let counts = counts(
      planned("S/a"), event("testEnded", "S/a"), event("issueRecorded", nil, "fail"), event("runEnded", nil))
    #expect(counts == [1, 1, 0, 1])
  }

  /// A failure that is known, or a text that looks like one, is none.
  @Test func onlyWhatFailedIsAFailure() {
    let counts = counts(
      planned("S/a"), event("issueRecorded", "S/a", "pass with known issue"),
      event("testEnded", "S/a", "pass", #"\"symbol\":\"fail\""#), event("runEnded", nil))
    #expect(counts == [1, 0, 0, 1])
  }

  /// One case of a test that fails is enough.
  @Test func aFailureIsNotTakenBack() {
    let counts = counts(
      planned("S/a"), event("testEnded", "S/a", "fail"), event("testEnded", "S/a"), event("runEnded", nil))
    #expect(counts == [0, 1, 0, 1])
  }
}
