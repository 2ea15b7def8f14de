import Foundation
import Processes
import Testing

@Suite struct ChildrenTests {
  private func shell(_ script: String) -> Command { Command("sh", ["-c", script]) }

  @Test func aStatusIsThatOfAShell() throws {
    #expect(try shell("exit 3").run() == Ending(status: 3, isLate: false))
    #expect(try shell("kill -TERM $$").run() == Ending(status: 143, isLate: false))
    #expect(try shell("true").run().isGood)
  }

  @Test func whatIsNotThereIsNotRun() {
    let error = #expect(throws: Unable.self) { try Command("/none/program", []).run() }
    #expect(error?.description.contains("/none/program") == true)
  }

  @Test func folderVariablesAndFilesAreThoseAskedFor() throws {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    defer { try? FileManager.default.removeItem(at: file) }
    var command = Command("sh", ["-c", "pwd; echo $A; cat; echo bad >&2"], environment: ["A": "b c"])
    command.folder = "/usr"
    #expect(try command.writing(to: file.path).run().isGood)
    #expect(try String(contentsOf: file, encoding: .utf8) == "/usr\nb c\nbad\n")
  }

  @Test(.timeLimit(.minutes(1))) func whatTakesTooLongIsInterrupted() throws {
    let began = ContinuousClock.now
    let ending = try shell("exec sleep 50").start().wait(limit: .milliseconds(100))
    #expect(ending.isLate && !ending.isGood)
    // Where interrupts are ignored, as in a shell's background, it is killed after a while.
    let isInterrupted = ending.status == 128 + SIGINT && ContinuousClock.now - began < .seconds(20)
    #expect(isInterrupted || ending.status == 128 + SIGKILL)
  }

  /// One that ends well when it is interrupted has still not done its work.
  @Test func aLateEndIsNotGood() throws {
    let ending = try shell("trap 'exit 0' INT; while :; do sleep 0.1; done").start()
      .wait(limit: .milliseconds(300))
    #expect(ending.status == 0 && ending.isLate && !ending.isGood)
  }

  @Test func whoWaitsIsCalledEachSecond() throws {
    var ticks = 0
    try shell("sleep 2.5").start().wait { ticks += 1 }
    #expect(ticks == 2)
  }
}
