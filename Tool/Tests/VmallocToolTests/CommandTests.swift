import ArgumentParser
import Foundation
import Testing

@testable import VmallocTool

@Suite struct CommandTests {
  @Test func inspectReadsTheLiveListUnlessAFileIsNamed() throws {
    let live = try #require(try Vmalloc.parseAsRoot(["inspect"]) as? Inspect)
    #expect(live.file == "/proc/vmallocinfo")
  }

  /// Every example of a help text is a command as it stands; what explains it is two blanks away.
  @Test(arguments: ["inspect", "diff", "watch", "replay", "explore"])
  func examplesOfHelpAreCommands(_ command: String) throws {
    let help = try Program.run(["help", command])
    #expect(help.status == 0 && help.errors.isEmpty)
    let text = try #require(help.output.split(separator: "EXAMPLES").last?.split(separator: "\n\n").first)
    let examples = text.split(separator: "\n").filter { $0.contains("vmalloc ") }
    #expect(examples.count >= 3)
    for example in examples { try check(example.split(separator: "  ").first ?? "") }
  }

  @Test func examplesOfTheReadmeAreCommands() throws {
    let readme = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../README.md")
    let lines = try String(contentsOf: readme.standardizedFileURL, encoding: .utf8).split(separator: "\n")
      .filter { $0.hasPrefix("    ") && $0.contains("vmalloc ") && !$0.contains("make install") }
    #expect(lines.count > 10)
    for line in lines { try check(line.split(separator: "#").first ?? "") }
  }

  /// Parses what comes behind the last `vmalloc`, up to a redirection or another command.
  private func check(_ line: Substring) throws {
    let command = try #require(
      line.split(separator: "vmalloc ", omittingEmptySubsequences: false).dropFirst().first)
    let words = command.split(separator: " ").map(String.init).prefix { !$0.hasPrefix(">") && $0 != "&&" }
    #expect(throws: Never.self, "\(line)") { _ = try Vmalloc.parseAsRoot(Array(words)) }
  }

  /// A number that is none, or below zero, is refused with the option's name.
  @Test(arguments: [
    ["inspect", "--top", "-1"], ["inspect", "--top", "99999999999999999999"], ["inspect", "--kind", "x"],
    ["inspect", "--at", "0x"], ["inspect", "--fail-over", "-1"], ["diff", "a", "b", "--top", "-1"],
    ["diff", "a", "b", "--fail-on-growth", "x"], ["watch", "-d", "0"], ["watch", "-d", "-1"],
    ["watch", "-d", "nan"],
    ["watch", "-d", "inf"], ["watch", "-n", "-1"], ["watch", "-"], ["replay", "--laps", "0", "x"],
    ["replay", "--memory", "1", "x"], ["replay", "--record", "0"], ["replay", "--policy", "x", "y"],
    ["replay"],
    ["explore", "--policy", "lazy,", "x"],
  ])
  func wrongUseIsRefused(_ arguments: [String]) throws {
    let result = try Program.run(arguments)
    #expect(
      result.status == 2 && result.output.isEmpty && result.errors.contains("Error: "), "\(result.errors)")
    if arguments.contains("--policy") { #expect(result.errors.contains("strict, lazy or warm")) }
  }
}
