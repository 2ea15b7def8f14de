import Testing

@testable import Processes

@Suite struct RunTests {
  @Test func whatIsPrintedIsAComplaint() throws {
    #expect(try Run("sh", ["-c", "echo a; echo b"]).complaints(of: "it") == ["a", "b"])
    #expect(try Run("sh", ["-c", "echo a; exit 3"]).complaints(of: "it") == ["a"])
    #expect(try Run("true", []).complaints(of: "it") == [])
  }

  /// An exit status, a signal, and a program that is not there.
  @Test(arguments: ["exit 3", "kill -KILL $$", "exec /none 2>/dev/null"])
  func whatFailsWithoutAWordIsOneToo(script: String) throws {
    #expect(try Run("sh", ["-c", script]).complaints(of: "it") == ["it: it failed, and says nothing"])
  }

  /// More than a pipe holds goes in while as much comes out.
  @Test(.timeLimit(.minutes(1))) func inputMayBeLong() throws {
    let text = String(repeating: "0123456789abcde\n", count: 1 << 16)
    #expect(try Run("cat", [], input: text).text == text)
    #expect(try Run("cat", []).text == "")
  }
}
