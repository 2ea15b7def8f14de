import Foundation
import Testing

/// What the kernel cannot use, it refuses with a message and a status.
@Suite(.boots(.x86_64), .serialized)
struct RefusalTests {
  @Test(arguments: [
    ("max,-nx", "panic: this CPU lacks no-execute pages"),
    ("max,-lm", "panic: this CPU lacks 64-bit mode"),
    ("max,-pge", "panic: this CPU lacks global pages"),
    ("max,-pat", "panic: this CPU lacks the page attribute table"),
  ])
  func namesWhatTheProcessorLacks(_ processor: String, _ message: String) throws {
    let boot = try Boot.run(Setup(processor: processor))
    boot.expectMessage(39, message)
  }

  @Test(arguments: [
    "laps=0", "laps=", "laps=99999999999999999999", "listing=some", "test=nothing", "quiet", "mode=",
    "mode=eager", "mode=warmer", "profile=0", "pages=0", "pages=1048577", "stress=0",
  ])
  func namesTheOptionThatItDoesNotKnow(_ option: String) throws {
    let boot = try Boot.run(Setup(options: "  hold \(option) "))
    boot.expectUnknown(option)
  }

  @Test
  func asksForATrace() throws {
    let boot = try Boot.run(Setup(trace: nil))
    boot.expectMessage(41, "error: there is no trace")
  }

  /// QEMU passes no module for an empty file.
  @Test(arguments: [
    ("", "error: there is no trace, or an empty one"),
    (" \n", "cannot replay the trace: line 1: the trace is empty"),
    ("nothing of ftrace's\n", "cannot replay the trace: line 1: not a line of ftrace's"),
    ("\u{0}\u{1}", "cannot replay the trace: line 1: not text"),
  ])
  func saysWhatIsWrongWithATrace(_ text: String, _ message: String) throws {
    let file = FileManager.default.temporaryDirectory.appending(path: "trace-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: file) }
    try Data(text.utf8).write(to: file)
    let boot = try Boot.run(Setup(trace: file))
    boot.expectMessage(41, message)
  }
}
