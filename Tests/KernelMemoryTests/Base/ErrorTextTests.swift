import Testing

@testable import KernelMemory

/// An error that a caller has made itself is written, too.
@Suite struct ErrorTextTests {
  private struct Text: TextSink {
    var bytes: [UInt8] = []
    mutating func write(_ byte: UInt8) { bytes.append(byte) }
  }

  @Test func noNumberIsTooSmall() async {
    await #expect(processExitsWith: .success) {
      let errors: [MemoryError] = [
        .blockTooLarge(limit: -1), .cacheInUse(objects: .min), .cpuCountUnsupported(-3),
      ]
      for error in errors {
        var text = Text()
        text.write(error)
        precondition(!text.bytes.isEmpty)
      }
    }
  }
}
