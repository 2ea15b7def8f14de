import Testing

@testable import LinuxMemory

/// Text that went through mail, terminals and logs reads as the list that it was.
@Suite struct DamageTests {
  private static let list = ReadingTests.plain
  private static let rows = list.split(separator: "\n").map(String.init)

  /// The damaged text, and the counts of what was undone.
  private func expect(_ damaged: String, _ counts: [ReadReport.Damage: Int]) throws {
    let snapshot = try read(damaged)
    #expect(snapshot.areas.map(snapshot.line(of:)) == Self.rows)
    for damage in ReadReport.Damage.allCases {
      #expect(snapshot.report[damage] == counts[damage] ?? 0, "\(damage)")
    }
  }

  @Test(arguments: [
    "> ", ">> ", "> > > ", "# ", "+", "    ", "[ 1234.500000] ", "Nov 26 17:16:11 host kernel: ", "&gt; ",
    "2026-11-26T17:16:11.000000+00:00 host kernel: [ 1234.5] ", "<6>[ 1.0] ", "12:", "| ", "* ",
    "/proc/vmallocinfo:", "- ",
  ])
  func prefixesAreStripped(_ prefix: String) throws {
    let isBlank = prefix.allSatisfy { $0 == " " }
    let mended = prefix.hasPrefix("&") ? Self.rows.count : 0
    try expect(
      Self.rows.map { prefix + $0 }.joined(separator: "\n"),
      [.stripped: isBlank ? 0 : Self.rows.count, .mended: mended])
  }

  @Test func whiteSpaceOfAnyKindSeparatesWords() throws {
    try expect(Self.list.split(separator: " ").joined(separator: "\t"), [:])
    try expect(Self.rows.joined(separator: "\r\n"), [:])
    try expect(Self.rows.joined(separator: "\n\n \n"), [:])
    let blanks = Self.rows.map { $0.split(separator: " ").joined(separator: "\u{A0} ") }
    try expect(blanks.joined(separator: "\n"), [.mended: Self.rows.count])
  }

  @Test(arguments: ["", "> ", "  ", ">> "])
  func wrappedLinesAreJoined(_ prefix: String) throws {
    for width in [1, 2, 3, 4] {
      var text = ""
      var joined = 0
      for row in Self.rows {
        let words = row.split(separator: " ").map(String.init)
        // Two words that belong together stay so: "unpurged vm_area" is never the beginning of a line.
        text += prefix + words.prefix(width).joined(separator: " ") + "\n"
        if words.count > width {
          text += prefix + words.dropFirst(width).joined(separator: " ") + "\n"
          joined += 1
        }
      }
      let isQuoted = prefix.contains(">")
      let snapshot = try read(text)
      #expect(snapshot.areas.map(snapshot.line(of:)) == Self.rows, "width \(width)")
      #expect(snapshot.report[.joined] == joined)
      #expect(snapshot.report[.stripped] == (isQuoted ? Self.rows.count : 0))
      #expect(snapshot.report[.unread] == 0)
    }
  }

  @Test func lostNewlinesAreFound() throws {
    try expect(Self.rows.joined(separator: " "), [.split: Self.rows.count - 1])
    try expect(Self.rows.joined(), [.split: Self.rows.count - 1])
  }

  @Test func quotedPrintableIsDecoded() throws {
    var text = ""
    for row in Self.rows {
      let encoded = Array(
        row.split(separator: "=", omittingEmptySubsequences: false).joined(separator: "=3D"))
      text += String(encoded.prefix(70)) + "=\n" + String(encoded.dropFirst(70)) + "=20\n"
    }
    let snapshot = try read(text)
    #expect(snapshot.areas.map(snapshot.line(of:)) == Self.rows)
  }

  @Test func callersThatWereCutGoOnInTheNextLine() throws {
    let snapshot = try read(
      """
      0xffffc20000000000-0xffffc20000201000 2101248 alloc_large_system_hash+0x204 ...
        /0x2c0 pages=512 vmalloc N0=128 N1=128 N2=128 N3=128
      0xffffc20000302000-0xffffc20000304000    8192 acpi_tb_verify_table+0x21/0x4f...
        phys=7fee8000 ioremap
      0xffffc20000347000-0xffffc2000034c000   20480 xt_alloc_table_info+0xfe ...
        /0x130 [x_tables] pages=4 vmalloc N0=4
      0xffffc2000031d000-0xffffc2000031f000    8192 init_vdso_vars+0x112/0x210
      """)
    #expect(
      snapshot.areas.map { snapshot.callers[$0.caller].text } == [
        "alloc_large_system_hash+0x204/0x2c0", "acpi_tb_verify_table+0x21/0x4f",
        "xt_alloc_table_info+0xfe/0x130 [x_tables]",
        "init_vdso_vars+0x112/0x210",
      ])
    #expect(snapshot.areas.map(\.pages) == [512, nil, 4, nil])
    #expect(snapshot.report[.joined] == 3)
  }

  @Test func elisionsAndHalvesAreCountedAndProseIsNotAnArea() throws {
    let snapshot = try read(
      """
      Hello, here is what I see with vmalloc and ioremap:
       [..]
      ...
      // ...
      ... *total* 674 lines ...
      ... pcpu_mem_zalloc+0x30/0x70 pages=4 vmalloc ...
      28672 pcpu_mem_zalloc+0x30/0x70 pages=6 vmalloc N0=6
      0xffffc20000347000-0xffffc2000034c000
      Thanks, John
      """)
    #expect(snapshot.report[.elided] == 4)
    #expect(snapshot.report[.cut] == 3)
    #expect(snapshot.report[.unread] == 2)
    #expect(snapshot.areas.map(\.size) == [nil, 28672, 20480])
    #expect(snapshot.areas.map(\.pages) == [4, 6, nil])
    #expect(snapshot.report.firstUnread.map(\.line) == [1, 9])
  }

  @Test func otherPrintsOfTheSameListAreRead() throws {
    let snapshot = try read(
      """
         VMAP_AREA         VM_STRUCT                 ADDRESS RANGE                SIZE
      ffff90ba01053ec0  ffff90ba011529c0  ffffab3ec0000000 - ffffab3ec0005000    20480
      68a69
      > 0xffffffffa03d7000-0xffffffffa03e9000   73728 load+0x14/0x70 pages=17 vmalloc N0=17    # -69 632
      --- old
      +++ new
      @@ -1,2 +1,2 @@
      -0xffffffffa03d7000-0xffffffffa03e9000   73728 load+0x14/0x70 pages=17 vmalloc N0=17
      """)
    #expect(snapshot.areas.map(\.size) == [20480, 73728, 73728])
    #expect(snapshot.report[.unread] == 0 && snapshot.report.removedByDiff == 1)
  }

  @Test func strictRefusesDamageWithItsLine() throws {
    /// The line that is refused, and why.
    func refusal(_ text: String) -> String {
      do {
        _ = try Snapshot.read(Array(text.utf8), isStrict: true)
        return "none"
      } catch {
        guard let damaged = error as? DamagedLine else { return "\(error)" }
        return "\(damaged.line) \(damaged.damage)"
      }
    }
    #expect(refusal(Self.list) == "none")
    #expect(refusal(Self.rows[0] + "\n> " + Self.rows[1]) == "2 stripped")
    #expect(refusal(Self.rows[0] + "\n...\n") == "2 elided")
    #expect(refusal("0xc2804000-0xc2806000") == "1 cut")
    #expect(refusal(Self.rows.joined(separator: "\nhello\n")) == "2 unread")
  }
}
