import Testing

@testable import VmallocTool

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Exit statuses and sentences, as scripts and people see them.
@Suite struct ProgramTests {
  private static let list = Array(Lists.morning.utf8)

  @Test func statusesAreThoseOfTheManual() throws {
    func status(_ arguments: [String], _ input: [UInt8] = Self.list) throws -> Int32 {
      try Program.run(arguments, input: input).status
    }
    #expect(try status(["inspect", "-"]) == 0)
    #expect(try status(["inspect", "-", "--fail-over", "3M"]) == 0)
    #expect(try status(["inspect", "-", "--fail-over", "1M"]) == 1)
    #expect(try status(["inspect", "-", "--fail-over", "much"]) == 2)
    #expect(try status(["inspect", "-", "--kind", "unknown"]) == 2)
    #expect(try status(["inspect", "-", "--no-such-option"]) == 2)
    #expect(try status(["no-such-command"]) == 2)
    #expect(try status(["inspect", "/no/such/file"]) == 3)
    #expect(try status(["inspect", "/"]) == 3)
    #expect(try status(["inspect", "-"], []) == 3)
    #expect(try status(["inspect", "-"], Array("hello\n".utf8)) == 3)
    #expect(try status(["inspect", "-", "--strict"], Array(("> " + Lists.morning).utf8)) == 4)
    #expect(try status(["inspect", "-", "--strict"]) == 0)
    #expect(try status(["--help"]) == 0)
  }

  @Test func growthIsAStatus() throws {
    let old = "/tmp/vmalloc-old-\(getpid())"
    try Program.write(Self.list, to: old)
    defer { unlink(old) }
    let evening = Array(Lists.evening.utf8)
    #expect(try Program.run(["diff", old, "-", "--fail-on-growth", "0"], input: evening).status == 1)
    #expect(try Program.run(["diff", old, "-", "--fail-on-growth", "64K"], input: evening).status == 0)
    #expect(try Program.run(["diff", "-", "-"], input: evening).status == 2)
  }

  @Test(arguments: [
    (["inspect", "/no/such/file"], "", "vmalloc: /no/such/file: there is no such file.\n"),
    (["inspect", "/"], "", "vmalloc: / is a directory, not a file.\n"),
    (["inspect", "-"], "", "vmalloc: standard input: it is empty.\n"),
    (["inspect", "-"], "\u{1F}\u{FFFD}", "line 1 is: "),
    (["inspect", "-"], "BZh91AY", "vmalloc: standard input: it is compressed: use bzcat FILE | vmalloc.\n"),
    (["inspect", "-"], "hello\nworld\n", "line 1 is: hello"),
    (
      ["inspect", "-", "--strict"], Lists.morning + "...\n",
      "vmalloc: standard input: line 9: lines were left out here.\n"
    ),
    (
      ["inspect", "-"], "bash-20389 [000] ..... 649.6: alloc_vmap_area: va_start: 1 size=2\n",
      "use vmalloc replay"
    ),
  ])
  func everyErrorIsASentence(_ arguments: [String], _ input: String, _ sentence: String) throws {
    let result = try Program.run(arguments, input: Array(input.utf8))
    #expect(result.errors.hasSuffix(sentence) || result.errors.contains(sentence), "\(result.errors)")
    #expect(result.output.isEmpty)
  }

  @Test func compressedFilesAreNamedByTheirBytes() throws {
    let result = try Program.run(["inspect", "-"], input: [0x1F, 0x8B, 8, 0, 0, 10])
    #expect(result.status == 3 && result.errors.contains("zcat"))
    let wide: [UInt8] = Array(Lists.morning.utf8.map { [$0, 0] }.joined())
    for bytes in [wide, [0xFF, 0xFE] + wide, [0] + wide] {
      let result = try Program.run(["inspect", "-"], input: bytes)
      #expect(result.status == 3 && result.errors.contains("UTF-16"))
    }
  }

  @Test func coloursAreForThoseWhoWantThem() throws {
    #expect(try !Program.run(["inspect", "-"], input: Self.list).output.contains("\u{1B}"))
    #expect(
      try Program.run(["inspect", "-", "--color", "always"], input: Self.list).output.contains("\u{1B}[1m"))
  }

  @Test func whatCannotBeShownDoesNotReachTheTerminal() throws {
    let evil =
      "0xffffc90000000000-0xffffc90000002000    8192 \u{1B}]0;x\u{7}f+0x1/0x2 [\u{1B}[2J] pages=1 vmalloc\n"
    let result = try Program.run(["inspect", "-", "--by", "caller"], input: Array(evil.utf8))
    #expect(!(result.output + result.errors).contains("\u{1B}"))
  }

  @Test func formatsReachStandardOutputAlone() throws {
    for format in ["table", "json", "csv", "openmetrics", "kernel"] {
      let result = try Program.run(["inspect", "-", "--format", format], input: Self.list)
      #expect(result.status == 0 && !result.output.isEmpty && result.errors.isEmpty, "\(format)")
    }
  }

  /// A full disk is no success, and is told; nothing is left that looks whole.
  @Test(.enabled(if: unsafe access("/dev/full", W_OK) == 0, "there is no /dev/full"))
  func aFullDiskIsTold() throws {
    for arguments in [
      ["inspect", "-"], ["inspect", "-", "--format", "html"], ["explore", "-", "-o", "/dev/full"],
    ] {
      let result = try Program.run(arguments, input: Self.list, output: "/dev/full")
      #expect(result.status == 3 && result.errors.contains("No space left on device"), "\(arguments)")
    }
  }

  /// What never ends and is no text is refused before memory runs out.
  @Test(arguments: ["/dev/zero", "/dev/urandom"], ["inspect", "replay", "explore"])
  func whatIsNoTextIsNotReadForEver(_ file: String, _ command: String) throws {
    let result = try Program.run([command, file])
    #expect(result.status == 3 && result.errors.contains("is no text"))
    #expect(result.errors.hasPrefix("vmalloc: \(file): "), "\(result.errors)")
  }
}
