import Foundation
import Processes

/// Suites that run one after the other, and what else counts among them; at the end their sum, "N passed, M
/// failed".
struct Session {
  private(set) var variables: Variables
  private let limit: TimeLimit
  private(set) var passed = 0
  private(set) var failed = 0

  /// - Parameter limit: how long a suite may take, unless VMALLOC_TEST_LIMIT says otherwise.
  init(_ variables: Variables, limit: String) throws(Failure) {
    self.variables = variables
    self.limit = try TimeLimit(variables["VMALLOC_TEST_LIMIT"] ?? limit)
  }

  /// Builds a suite, and runs what was built.
  mutating func run(_ suite: Suite) throws {
    guard try suite.build(variables).run() else { return fail("\(suite.name): does not build") }
    let outcome = try suite.run(variables, limit: limit)
    passed += outcome.passed
    failed += outcome.failed
    if outcome.failed > 0 {
      for line in Suite.explanation(contents(suite.log) ?? "") { Console.complain(String(line)) }
      Console.complain("(whole log: \(suite.log))")
    }
    Console.say("\(suite.name): \(outcome.text)")
  }

  /// Tells the suites that come.
  mutating func setVariable(_ name: String, _ value: String) { variables[name] = value }

  mutating func fail(_ line: String) {
    Console.say(line)
    failed += 1
  }

  /// Says the sum; the exit status.
  func end() -> Int32 {
    Console.say("\(passed) passed, \(failed) failed")
    return failed == 0 ? 0 : 1
  }
}
