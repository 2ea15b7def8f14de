import Testing

@testable import LinuxMemory

@Suite struct LineReaderTests {
  /// The lines of some text, and their numbers.
  private func lines(_ text: String) throws -> [String] {
    var reader = LineReader(Array(text.utf8))
    var found: [String] = []
    try reader.forEachLine { line, number in
      var bytes: [UInt8] = []
      for index in line.indices { bytes.append(line[index]) }
      found.append("\(number):" + String(decoding: bytes, as: UTF8.self))
    }
    return found
  }

  @Test func everyLineIsFoundWithAndWithoutAFinalNewline() throws {
    #expect(try lines("") == [])
    #expect(try lines("a") == ["1:a"])
    #expect(try lines("a\nbc\n") == ["1:a", "2:bc"])
    #expect(try lines("\n\nx") == ["1:", "2:", "3:x"])
  }

  @Test func aMissingFileIsNamed() {
    #expect(throws: InputError.missing("/no/such/file")) { _ = try LineReader(path: "/no/such/file") }
  }
}
