import KernelMemory
import LoaderText
import Testing

@testable import PVH

@Suite struct CommandLineTests {
  @Test(arguments: [
    ("", []), ("   ", []), ("one", ["one"]), (" one  two ", ["one", "two"]), ("a=b c", ["a=b", "c"]),
  ])
  func splitsAtSpaces(_ text: String, _ words: [String]) throws {
    let memory = LoaderMemory.complete()
    let found = try memory.words(of: text).map { word in
      var sink = Text()
      word.write(to: &sink)
      return String(decoding: sink.bytes, as: UTF8.self)
    }
    #expect(found == words)
  }

  @Test
  func mayBeMissing() throws {
    let memory = LoaderMemory.complete()
    memory.put(UInt64(0), at: Layout.startInfo + 24)
    #expect(try memory.words().isEmpty)
  }

  @Test
  func mustEnd() throws {
    let memory = LoaderMemory.complete()
    memory.put(String(repeating: "x", count: 4097), at: Layout.commandLine)
    let info = try memory.startInfo()
    #expect(throws: StartInfoError.commandLineTooLong(limit: 4096)) { try info.commandLine() }
    let last = UInt64(LoaderMemory.byteCount) - 2
    memory.put("xx", at: last)
    memory.put(last, at: Layout.startInfo + 24)
    let second = try memory.startInfo()
    #expect(throws: StartInfoError.unreachable(.commandLine, PhysicalAddress(last))) {
      try second.commandLine()
    }
  }

  @Test(arguments: [
    ("0", 0), ("18446744073709551615", UInt64.max), ("18446744073709551616", nil), ("", nil), ("-1", nil),
    ("1x", nil), ("99999999999999999999", nil),
  ])
  func readsDecimals(_ digits: String, _ value: UInt64?) throws {
    let memory = LoaderMemory.complete()
    let word = try #require(try memory.words(of: "n=\(digits)").first)
    #expect(word.dropping("n=")?.decimal == value)
  }

  @Test
  func comparesWholeWords() throws {
    let memory = LoaderMemory.complete()
    let word = try #require(try memory.words(of: "hold").first)
    #expect(word.equals("hold"))
    #expect(!word.equals("hol"))
    #expect(!word.equals("holds"))
    #expect(word.dropping("holds") == nil)
    #expect(word.dropping("hold")?.count == 0)
  }

  private struct Text: TextSink {
    var bytes: [UInt8] = []
    mutating func write(_ byte: UInt8) { bytes.append(byte) }
  }
}
