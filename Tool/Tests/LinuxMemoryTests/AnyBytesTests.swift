import Testing

@testable import LinuxMemory

/// Random bytes, and random damage to real lines: nothing crashes, and what was read prints and reads back.
@Suite struct AnyBytesTests {
  struct Generator: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
  }

  private static let pieces: [String] = [
    "0xffffc90000000000-0xffffc90000005000", "0x7874d405-0xe344a63f", "(ptrval)-(ptrval)", "20480", "8192",
    "f+0x93/0xe0",
    "[mod]", "vmap", "vmalloc", "ioremap", "pages=4", "pages=", "N0=3", "N1=", "phys=0x1000",
    "unpurged vm_area", "...",
    "/0x2c0", "=3D", "=\n", "=20", "\n", "\n", "> ", "\r\n", "\t", "\u{A0}", "#", "[ 1.0]", "func:g", "a.c:1",
    "-1", "12 3",
    "VmallocUsed:", "kB", "0x", "-", "\u{0}", "99999999999999999999", "38.4 MiB", "\u{1B}[1m", "0xffffffff-",
    "(",
    "Memory allocations:", "kernel: ", "&gt;", "\u{2026}",
  ]

  @Test(arguments: UInt64(1)...40)
  func piecesInAnyOrderAreReadAndReadBack(_ seed: UInt64) throws {
    var random = Generator(state: seed)
    for _ in 0..<60 {
      var text = ""
      for _ in 0..<Int.random(in: 1...40, using: &random) {
        text += Self.pieces.randomElement(using: &random) ?? ""
        if Bool.random(using: &random) { text += " " }
      }
      try check(Array(text.utf8))
    }
  }

  @Test(arguments: UInt64(1)...20)
  func anyBytesAreRead(_ seed: UInt64) throws {
    var random = Generator(state: seed)
    for _ in 0..<100 {
      var bytes = (0..<Int.random(in: 0...300, using: &random)).map { _ in
        UInt8.random(in: 0...255, using: &random)
      }
      if Bool.random(using: &random) {
        bytes = Array(ReadingTests.plain.utf8)
        for _ in 0..<Int.random(in: 1...30, using: &random) {
          bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
      }
      try check(bytes)
    }
  }

  private func check(_ bytes: [UInt8]) throws {
    guard let snapshot = try? Snapshot.read(bytes, keepingAreas: true) else { return }
    _ = snapshot.layout()
    for grouping in Grouping.allCases { _ = snapshot.groups(by: grouping) }
    let readable = snapshot.areas.filter {
      $0.addresses != .absent && $0.unknownWords.isEmpty && $0.size != nil
    }
    let printed = readable.map(snapshot.line(of:))
    let again = try read(printed.joined(separator: "\n"))
    #expect(
      again.areas.map(again.line(of:)) == printed,
      "\(String(decoding: bytes, as: UTF8.self).debugDescription)")
  }
}
