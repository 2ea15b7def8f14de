import Testing

@testable import LinuxMemory

/// The areas of a text, and what had to be done to read it.
func read(_ text: String) throws -> Snapshot {
  try Snapshot.read(Array(text.utf8), keepingAreas: true)
}

/// The lines that kernels would print for what was read.
func lines(_ text: String) throws -> [String] {
  let snapshot = try read(text)
  return snapshot.areas.map(snapshot.line(of:))
}

/// What every kernel prints, by itself.
@Suite struct ReadingTests {
  static let plain = """
    0xffffc90000000000-0xffffc90000005000   20480 map_irq_stack+0x93/0xe0 vmap
    0xffffc90000005000-0xffffc90000007000    8192 acpi_os_map_iomem+0x1ac/0x1c0 phys=0x00000000bfefe000 ioremap
    0xffffc90000007000-0xffffc9000000c000   20480 dup_task_struct.isra.0+0x4a/0x1b0 pages=4 vmalloc N0=3 N1=1
    0xffffc9000000d000-0xffffc9000000f000    8192 probe+0x21b/0xa0b [e1000e] pages=1 vmalloc user vpages N0=1
    0xffffc9000000f000-0xffffc90000011000    8192 unpurged vm_area
    0xffffc90000011000-0xffffc90000016000   20480 vm_map_ram

    """

  @Test func everyFieldOfAPlainListIsRead() throws {
    let snapshot = try read(Self.plain)
    #expect(snapshot.report.isClean)
    #expect(snapshot.areas.count == 6)
    let stack = snapshot.areas[2]
    #expect(stack.start == 0xFFFF_C900_0000_7000 && stack.end == 0xFFFF_C900_0000_C000)
    #expect(stack.size == 20480 && stack.pages == 4 && stack.addresses == .real && stack.flags == [.vmalloc])
    var nodes: [UInt64] = []
    stack.nodes.forEach { nodes += [UInt64($0), $1] }
    #expect(nodes == [0, 3, 1, 1])
    #expect(snapshot.callers[stack.caller].function == "dup_task_struct")
    #expect(snapshot.callers[stack.caller].offset == "+0x4a/0x1b0")
    #expect(snapshot.areas[1].physical == 0xBFEF_E000)
    #expect(snapshot.callers[snapshot.areas[3].caller].module == "e1000e")
    #expect(snapshot.areas[3].flags == [.vmalloc, .vpages, .user])
    #expect(
      snapshot.areas.map { snapshot.kind(of: $0) } == [
        .vmap, .ioremap, .vmalloc, .vmalloc, .unpurged, .mapRAM,
      ])
  }

  @Test func whatIsPrintedReadsBack() throws {
    let printed = try lines(Self.plain)
    #expect(try lines(printed.joined(separator: "\n")) == printed)
    #expect(printed.joined(separator: "\n") + "\n" == Self.plain)
  }

  @Test(arguments: [
    ("0x000000007874d405-0x00000000e344a63f    8192 f+0x1/0x2 pages=1 vmalloc", AddressState.hashed),
    ("0x0000000000000000-0x0000000000000000    8192 f+0x1/0x2 pages=1 vmalloc", .zero),
    ("0x(____ptrval____)-0x(____ptrval____)    8192 f+0x1/0x2 pages=1 vmalloc", .hidden),
    ("0x        (ptrval)-0x        (ptrval)    8192 f+0x1/0x2 pages=1 vmalloc", .hidden),
    ("(ptrval)-(ptrval)    8192 f+0x1/0x2 pages=1 vmalloc", .hidden),
    ("0x(efault)-0x(efault)    8192 f+0x1/0x2 pages=1 vmalloc", .hidden),
    ("0xXXXXXXXXXXXXXXXX-0xXXXXXXXXXXXXXXXX    8192 f+0x1/0x2 pages=1 vmalloc", .hidden),
    ("0xc2804000-0xc2806000    8192 f+0x1/0x2 pages=1 vmalloc", .real),
    ("0xffa0000000000000-0xffa0000000002000    8192 f+0x1/0x2 pages=1 vmalloc", .real),
    ("ffffc20000000000-ffffc20000002000 8192 f+0x1/0x2 pages=1 vmalloc", .real),
    ("90000000000-0xffffc90000002000 8192 f+0x1/0x2 pages=1 vmalloc", .absent),
    ("0x00000000ffffe000-0x0000000100000000 8192 f+0x1/0x2 pages=1 vmalloc", .real),
  ])
  func everySpellingOfAddresses(_ line: String, _ state: AddressState) throws {
    let snapshot = try read(line)
    #expect(snapshot.areas.map(\.addresses) == [state])
    #expect(snapshot.areas.first?.size == 8192)
    #expect(snapshot.areas.first?.pages == 1)
    #expect(snapshot.sums().space == 8192)
  }

  @Test(arguments: [
    ("f+0x10/0x20 [mod] pages=1 vmalloc", "f", "+0x10/0x20", "mod"),
    ("f pages=1 vmalloc", "f", "", ""),
    ("0xffffffffc088c0d3 pages=1 vmalloc", "0xffffffffc088c0d3", "", ""),
    ("(null) pages=1 vmalloc", "", "", ""),
    ("pages=1 vmalloc", "", "", ""),
    ("vmap vmap", "vmap", "", ""),
    ("ioremap phys=0x1000 ioremap", "ioremap", "", ""),
    ("name.constprop.0+0x10/0x20 [a_b] vmalloc", "name.constprop.0", "+0x10/0x20", "a_b"),
    (".probe+0x10/0x20 vmalloc", ".probe", "+0x10/0x20", ""),
  ])
  func everySpellingOfCallers(_ rest: String, _ symbol: String, _ offset: String, _ module: String) throws {
    let snapshot = try read("0xffffc90000000000-0xffffc90000002000    8192 \(rest)\n")
    let caller = snapshot.callers[try #require(snapshot.areas.first).caller]
    #expect([caller.symbol, caller.offset, caller.module] == [symbol, offset, module])
  }

  @Test func flagsComeInAnyOrderAndUnknownWordsAreKept() throws {
    let snapshot = try read("0xc2804000-0xc2806000 8192 f+0x1/0x2 N0=1 user lazy_thing vmalloc pages=1\n")
    let area = try #require(snapshot.areas.first)
    #expect(area.flags == [.user, .vmalloc] && area.pages == 1 && area.unknownWords == ["lazy_thing"])
    #expect(snapshot.line(of: area).contains("lazy_thing"))
  }

  @Test func sizesWithoutGuardAndRequestedSizesLeaveTheSpaceToTheAddresses() throws {
    let snapshot = try read(
      """
      0xffffc90000000000-0xffffc90000003000    8192 f+0x1/0x2 pages=2 vmalloc
      0xffffc90000003000-0xffffc90000006000    5000 f+0x1/0x2 pages=2 vmalloc
      """)
    #expect(snapshot.areas.map(\.space) == [12288, 12288])
    #expect(snapshot.areas.map(\.size) == [8192, 5000])
  }

  @Test(arguments: [
    ("pages=1 8192,pages=4 20480,pages=2 12288", UInt64(4096)),
    ("pages=1 32768,pages=4 81920", 16384),
    ("pages=1 131072,pages=2 196608", 65536),
    ("pages=1 73728,pages=4 86016,pages=16 135168", 4096),
    ("pages=512 2097152,pages=16 65536", 4096),
    ("pages=1 8192,pages=512 2101248,pages=513 4198400", 4096),
  ])
  func thePageSizeIsInferredFromRows(_ rows: String, _ size: UInt64) throws {
    let text = rows.split(separator: ",").map { row in
      let words = row.split(separator: " ")
      return "0x0000000000000000-0x0000000000000000 \(words[1]) f+0x1/0x2 \(words[0]) vmalloc\n"
    }
    #expect(try read(text.joined()).pageSize == size)
  }

  @Test func aGuardOfSeventeenPagesIsSeen() throws {
    let snapshot = try read(
      "0x0-0x0 73728 f+0x1/0x2 pages=1 vmalloc\n0x0-0x0 77824 f+0x1/0x2 pages=2 vmalloc\n")
    #expect(snapshot.geometry.hasWideGuards && snapshot.pageSize == 4096)
  }

  @Test func largeNumbersNeitherTrapNorWrap() throws {
    let snapshot = try read(
      """
      0x0-0x0 18446744073709551615 f+0x1/0x2 pages=18446744073709551615 vmalloc N0=18446744073709551615
      0x0-0x0 18446744073709551615 f+0x1/0x2 pages=18446744073709551615 vmalloc N4294967295=1
      0x0-0x0 18446744073709551616 f+0x1/0x2 pages=1 vmalloc
      0x0-0x0 8192 f+0x1/0x2 pages=99999999999999999999999 vmalloc
      """)
    #expect(snapshot.sums().space == .max && snapshot.sums().pages == .max)
    #expect(snapshot.report[.unread] == 1 && snapshot.report[.cut] == 1)
  }

  @Test func pagesOfMeminfoMeanWhatTheKernelOfTheTimeMeant() throws {
    let old = try read("VmallocTotal: 245760 kB\nVmallocUsed: 190068 kB\nVmallocChunk: 40000 kB\n").meminfo
    #expect(old.meaning(listedPages: 4096, listedSpace: 190_068 << 10) == .addressSpace)
    let zero = try read("VmallocUsed: 0 kB\nVmallocChunk: 0 kB\n").meminfo
    #expect(zero.meaning(listedPages: 4096, listedSpace: 8192) == .constantZero)
    let new = try read("VmallocUsed: 4 kB\nVmallocChunk: 0 kB\nnr_vmalloc 1\n").meminfo
    #expect(new.meaning(listedPages: 4096, listedSpace: 8192) == .pages && new.pages == 1)
  }
}
