import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct VmallocInfoTests {
  private struct Text: TextSink {
    var bytes: [UInt8] = []
    mutating func write(_ byte: UInt8) { bytes.append(byte) }
    var lines: [Substring] { String(decoding: bytes, as: UTF8.self).split(separator: "\n") }
  }

  private func info(_ test: TestMachine) throws -> String {
    var text = Text()
    try test.manager.writeVmallocInfo(to: &text)
    return String(decoding: text.bytes, as: UTF8.self)
  }

  /// A line of Linux 6.12's /proc/vmallocinfo for memory from vmalloc on one memory node: the range,
  /// the size in seven columns at least, the caller, the pages, the pages on the node.
  private static var line:
    Regex<(Substring, Substring, Substring, Substring, Substring, Substring, Substring)>
  {
    #/^0x([0-9a-f]{16})-0x([0-9a-f]{16}) ( *\d+) (\S+) pages=(\d+) vmalloc N0=(\d+)$/#
  }

  /// Lines of the recorded boot of a Debian kernel that Examples/traces has; five-level paging, hence
  /// 0xff7d….
  private static let recorded = [
    "0xff7d531e8000d000-0xff7d531e8000f000    8192 gen_pool_add_owner+0x3e/0xc0 pages=1 vmalloc N0=1",
    "0xff7d531e80020000-0xff7d531e80025000   20480 kernel_clone+0xc2/0x430 pages=4 vmalloc N0=4",
    "0xff7d531e800c0000-0xff7d531e800c5000   20480 fork_idle+0x79/0x120 pages=4 vmalloc N0=4",
  ]

  @Test func theTextIsExact() throws {
    let test = try TestMachine()
    #expect(try info(test) == "")
    var options = VmallocOptions()
    options.tag = try test.manager.makeTag(named: "kernel_clone+0xc2/0x430")
    _ = try test.manager.vmalloc(16384, options)
    _ = try test.manager.vmalloc(1)
    options.guardPages = 0
    options.tag = try test.manager.makeTag(named: "big")
    _ = try test.manager.vmalloc(10_000_000, options)
    options.areas = try test.manager.makeAreas(
      PageRange(unchecked: TestMachine.moduleStart, count: PageCount(100)))
    _ = try test.manager.vmalloc(5000, options)
    #expect(
      try info(test) == """
        0xffffc90000000000-0xffffc90000005000   20480 kernel_clone+0xc2/0x430 pages=4 vmalloc N0=4
        0xffffc90000005000-0xffffc90000007000    8192 - pages=1 vmalloc N0=1
        0xffffc90000200000-0xffffc90000b8a000 10002432 big pages=2442 vmalloc N0=2442
        0xffffffffc0000000-0xffffffffc0002000    8192 big pages=2 vmalloc N0=2

        """)
  }

  /// A reader that splits a line at its spaces finds the pages in the column where they are.
  @Test func aTagWithoutANameHasAColumn() throws {
    let test = try TestMachine(ram: [.small])
    var options = VmallocOptions()
    options.tag = try test.manager.makeTag(named: "")
    _ = try test.manager.vmalloc(1, options)
    options.tag = try test.manager.makeTag(copying: UnsafeBufferPointer(start: nil, count: 0))
    _ = try test.manager.vmalloc(1, options)
    let columns = try info(test).split(separator: "\n").map {
      $0.split(separator: " ", omittingEmptySubsequences: true)
    }
    #expect(columns.map { $0.count } == [6, 6])
    #expect(columns.allSatisfy { $0[2] == "-" && $0[3] == "pages=1" })
  }

  /// One expression reads the recorded lines and ours, and ours differ from them only in their addresses.
  @Test func linesAreThoseOfLinux() throws {
    let test = try TestMachine(ram: [.small])
    for recorded in Self.recorded {
      let fields = try #require(try Self.line.wholeMatch(in: recorded)?.output)
      var options = VmallocOptions()
      options.tag =
        try fields.4.utf8.withContiguousStorageIfAvailable {
          try test.manager.makeTag(copying: $0)
        } ?? .untagged
      let pages = try #require(Int(fields.5))
      let pointer = try test.manager.vmalloc(pages * 4096, options)
      let text = try info(test)
      let ours = try #require(try Self.line.wholeMatch(in: text.dropLast())?.output)
      #expect(ours.3 == fields.3)
      #expect(ours.4 == fields.4)
      #expect(ours.5 == fields.5)
      #expect(ours.6 == fields.6)
      #expect(UInt64(ours.1, radix: 16) == VirtualAddress(pointer).rawValue)
      let size = try #require(UInt64(ours.3.drop { $0 == " " }))
      #expect(UInt64(ours.2, radix: 16) == VirtualAddress(pointer).rawValue + size)
      #expect(recorded.dropFirst(38) == text.dropLast().dropFirst(38))
      try test.manager.vfree(pointer)
    }
  }

  @Test func aNameIsCutTo47Bytes() throws {
    let test = try TestMachine(ram: [.small])
    var options = VmallocOptions()
    options.tag = try test.manager.makeTag(named: "a234567890123456789012345678901234567890123456789")
    _ = try test.manager.vmalloc(1, options)
    #expect(try info(test).contains(" a2345678901234567890123456789012345678901234567 pages=1 "))
  }

  @Test func aFreedAreaIsNotListed() throws {
    let test = try TestMachine(ram: [.small])
    let first = try test.manager.vmalloc(1)
    _ = try test.manager.vmalloc(1)
    try test.manager.vfree(first)
    #expect(try info(test) == "0xffffc90000002000-0xffffc90000004000    8192 - pages=1 vmalloc N0=1\n")
  }
}
