import Testing

@testable import LinuxMemory

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

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

  @Test func aLineAcrossChunksOfAPipeIsWholeAndTheLastOneIsNotLost() throws {
    let path = "/tmp/vmalloc-lines-\(getpid())"
    let long = String(repeating: "x", count: 700_000)
    let file = try #require(unsafe fopen(path, "w"))
    _ = unsafe fputs("first\n\(long)\nlast", file)
    unsafe fclose(file)
    defer { unlink(path) }
    var reader = try LineReader(path: path)
    var counts: [Int] = []
    try reader.forEachLine { line, _ in counts.append(line.count) }
    #expect(counts == [5, 700_000, 4])
    #expect(reader.byteCount == 6 + 700_001 + 4)
  }

  @Test func aMissingFileIsNamed() {
    #expect(throws: InputError.missing("/no/such/file")) { _ = try LineReader(path: "/no/such/file") }
  }
}
