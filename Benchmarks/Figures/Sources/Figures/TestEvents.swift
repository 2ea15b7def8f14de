import Foundation

/// The tests of a run, counted from the event stream of Swift Testing, a line of JSON an event, which a
/// process that crashes leaves behind as far as it came.
///
/// One rule: a test that was planned has passed, was skipped, or has failed. What a crash, a time limit or an
/// early exit kept from ending has therefore failed. An issue of no test is a failure of its own.
public struct TestEvents {
  public private(set) var passed = 0
  public private(set) var failed = 0
  public private(set) var skipped = 0
  /// Whether the run says that it has come to its end.
  public private(set) var hasEnded = false

  private struct Record: Decodable {
    struct Payload: Decodable {
      let kind: String
      let id: String?
      let testID: String?
      let messages: [Message]?
    }
    struct Message: Decodable { let symbol: String? }

    let kind: String
    let payload: Payload

    var isFailure: Bool { payload.messages?.contains { $0.symbol == "fail" } ?? false }
  }

  public init(_ stream: Data) {
    let decoder = JSONDecoder()
    var planned: Set<String> = []
    var (good, bad, left): (Set<String>, Set<String>, Set<String>) = ([], [], [])
    var issuesOfNoTest = 0
    for line in stream.split(separator: UInt8(ascii: "\n")) {
      // What a dying process wrote last may be half a line.
      guard let record = try? decoder.decode(Record.self, from: line) else { continue }
      switch (record.kind, record.payload.kind, record.payload.testID) {
      case ("test", "function", _): if let id = record.payload.id { planned.insert(id) }
      case ("event", "testSkipped", let id?): left.insert(id)
      case ("event", "testEnded", let id?): if record.isFailure { bad.insert(id) } else { good.insert(id) }
      case ("event", "issueRecorded", nil): if record.isFailure { issuesOfNoTest += 1 }
      case ("event", "runEnded", _): hasEnded = true
      default: break
      }
    }
    for id in planned {
      if bad.contains(id) {
        failed += 1
      } else if good.contains(id) {
        passed += 1
      } else if left.contains(id) {
        skipped += 1
      } else {
        failed += 1
      }
    }
    failed += issuesOfNoTest
  }
}
