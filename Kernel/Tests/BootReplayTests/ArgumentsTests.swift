import Testing

@testable import SimulatedRun

@Suite struct ArgumentsTests {
  @Test func allOfThem() throws {
    let arguments = try Arguments(["--laps", "7", "a.txt", "--listing", "all", "--memory", "512M"])
    #expect(arguments.trace == "a.txt" && arguments.laps == 7)
    #expect(arguments.listsAllAreas && arguments.memory == 512 << 20)
    #expect(try Arguments(["a.txt"]).memory == 3 << 30)
    #expect(try Arguments(["a.txt"]).levels == .four)
    #expect(try Arguments(["a.txt", "--levels", "5"]).levels == .five)
    #expect(try Arguments(["--help"]).wantsHelp)
    #expect(try Arguments(["--laps", "2", "--", "-x.txt"]).trace == "-x.txt")
  }

  @Test(arguments: [
    [], ["--laps", "1"], ["a", "b"], ["a", "--laps"], ["a", "--laps", "0"], ["a", "--laps", "x"],
    ["a", "--listing", "some"], ["a", "--memory", "1K"], ["a", "--memory", "G"],
    ["a", "--memory", "99999999999G"],
    ["a", "--memory", "-1G"], ["a", "--memory", "1T"], ["a", "--unknown"], ["--"], ["--", "a", "b"],
    ["-x.txt"], ["a", "--levels", "3"], ["a", "--levels"], ["a", "--levels", "five"],
  ])
  func refused(_ words: [String]) {
    let refusal = #expect(throws: Arguments.Refusal.self) { try Arguments(words) }
    #expect((refusal?.message.count ?? 0) > 10)
  }

  @Test func aFileThatIsNotThereIsSaidToBe() {
    let failure = #expect(throws: File.Failure.self) { try File.bytes(at: "/nowhere/trace.txt") }
    #expect(failure?.reason == "No such file or directory")
    #expect(SimulatedRun.run(["/nowhere/trace.txt"]) == 2)
    #expect(SimulatedRun.run([]) == 2)
  }
}
