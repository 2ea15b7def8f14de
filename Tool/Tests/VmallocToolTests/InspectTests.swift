import LinuxMemory
import Testing

@testable import VmallocTool

@Suite struct InspectTests {
  @Test func theTableNamesOwnersAndKeepsWhatNobodyOwnsApart() throws {
    #expect(
      try Lists.table(Lists.morning) == """
        areas                 8  addresses are real
        address space   4.1 MiB
        pages           2.0 MiB  523 of 4.0 KiB, as 4 of 4 rows with pages show
        guards         16.0 KiB  <1 % of the space of areas with pages
        nodes                 2  N0 1.0 MiB, N1 1.0 MiB
        devices         8.0 KiB  1 area, registers and device memory: no RAM
        per-CPU         2.0 MiB  1 area, reserved space; its pages are counted as Percpu in /proc/meminfo
        vm_map_ram      8.0 KiB  1 area, nobody is named
        lazy           20.0 KiB  1 area, freed and not yet flushed: space without memory
        largest hole   32.0 TiB  between areas of the vmalloc space, at 0xffffc9000021c000

           PAGES     SPACE  AREAS    GUARD  NODES          SYMBOL
         2.0 MiB   2.0 MiB      1  4.0 KiB  N0=256 N1=256  alloc_large_system_hash
        32.0 KiB  40.0 KiB      2  8.0 KiB  N0=4 N1=4      kernel_clone
        12.0 KiB  16.0 KiB      1  4.0 KiB  N0=3           load [zram]
               -   2.0 MiB      1                          pcpu_get_vm_areas
               -   8.0 KiB      1                          hpet_enable
               -  20.0 KiB      1                          unpurged (freed, not yet flushed: no memory)
               -   8.0 KiB      1                          vm_map_ram (nobody is named)
        """)
  }

  @Test(arguments: [
    (["--by", "caller"], ["kernel_clone+0x94/0x3e0 1", "kernel_clone+0x99/0x3e0 1"]),
    (["--by", "module"], ["(kernel) 5", "zram 1", "unpurged 1"]),
    (["--by", "kind"], ["vmalloc 4", "percpu 1", "ioremap 1", "unpurged 1", "vm_map_ram 1"]),
    (["--by", "symbol", "--top", "1"], ["alloc_large_system_hash 1", "4 others 5"]),
    (["--kind", "ioremap,vm_map_ram"], ["hpet_enable 1", "vm_map_ram 1"]),
    (["--filter", "kernel_*"], ["kernel_clone 2"]),
    (["--filter", "zram"], ["load 1"]),
  ])
  func groupsAreWhatTheViewAsksFor(_ arguments: [String], _ expected: [String]) throws {
    let report = try Lists.inspect(Lists.morning, arguments)
    let rows = (report.shown + (report.rest.map { [$0] } ?? [])).map { "\($0.name) \($0.sums.areas)" }
    for row in expected { #expect(rows.contains(row), "\(rows)") }
    let all = report.shown.reduce(report.rest?.sums.areas ?? 0) { $0 + $1.sums.areas }
    #expect(all == report.summary.all.areas)
  }

  @Test func whatMatchesNothingIsTold() throws {
    for arguments in [["--filter", "nobody"], ["--kind", "dma-coherent", "--by", "none"]] {
      #expect(
        try Lists.table(Lists.morning, arguments).hasSuffix(
          "\n\nNo area is of this kind and by such a caller."))
    }
    #expect(try !Lists.table(Lists.morning, ["--filter", "*"]).contains("No area"))
  }

  @Test func nodesAreSumsOfPages() throws {
    let report = try Lists.inspect(Lists.morning, ["--by", "node"])
    let pages = Dictionary(uniqueKeysWithValues: report.shown.map { ($0.name, $0.sums.pages) })
    #expect(pages == ["N0": 263, "N1": 260, "(no node)": 0])
  }

  @Test func theFourOrdersDiffer() throws {
    func first(_ order: String) throws -> String? {
      try Lists.inspect(Lists.morning, ["--sort", order]).shown.first?.name
    }
    #expect(try first("pages") == "alloc_large_system_hash" && first("space") == "alloc_large_system_hash")
    #expect(try first("count") == "kernel_clone" && first("name") == "alloc_large_system_hash")
  }

  @Test func aNarrowTerminalGetsFewerColumnsAndNoLineThatIsTooLong() throws {
    for width in [1, 10, 20, 40, 60, 70, 100, 300] {
      for line in try Lists.table(Lists.morning, width: width).split(separator: "\n") {
        #expect(line.count <= width, "\(width)")
      }
    }
    let rows = try Lists.table(Lists.morning, width: 34).split(separator: "\n").suffix(8).map(String.init)
    #expect(
      rows.prefix(3) == [
        "   PAGES     SPACE  SYMBOL", " 2.0 MiB   2.0 MiB  alloc_large_s…",
        "32.0 KiB  40.0 KiB  kernel_clone",
      ])
  }

  @Test func theKernelsFormReadsBack() throws {
    let report = try Lists.inspect(Lists.evening, ["--by", "none", "--sort", "count", "--top", "0"])
    let lines = report.listedAreas.map(report.snapshot.line(of:)).joined(separator: "\n") + "\n"
    #expect(lines == Lists.evening)
  }

  @Test func csvHasARowAGroup() throws {
    let csv = try Lists.inspect(Lists.morning, ["--kind", "vmalloc"]).csv
    #expect(
      csv == [
        "symbol,module,kind,areas,space_bytes,pages,pages_bytes,guard_bytes",
        "alloc_large_system_hash,,vmalloc,1,2101248,512,2097152,4096",
        "kernel_clone,,vmalloc,2,40960,8,32768,8192",
        "load,zram,vmalloc,1,16384,3,12288,4096",
      ])
    #expect(CSV.line(["a,b", "say \"x\"", ""]) == "\"a,b\",\"say \"\"x\"\"\",")
  }

  @Test func jsonHasTheSameNumbers() throws {
    let text = try Lists.inspect(Lists.morning, ["--kind", "vmalloc"]).json.text()
    for part in [
      "\"areas\": 4,", "\"pages_bytes\": 2142208,", "\"guard_bytes\": 16384,",
      "\"symbol\": \"kernel_clone\",",
    ] {
      #expect(text.contains(part), "\(part)")
    }
    #expect(
      JSON.object([("a\"\n\u{1}", .array([.null, .bool(true), .number(3)]))]).text()
        == "{\n  \"a\\\"\\n\\u0001\": [\n    null,\n    true,\n    3\n  ]\n}")
  }

  @Test func metricsAreBoundedAndHaveNoOffsets() throws {
    let lines = try Lists.inspect(Lists.morning, ["--by", "caller", "--top", "1"]).openMetrics
    #expect(
      lines.contains("vmalloc_owner_pages_bytes{owner=\"alloc_large_system_hash\",module=\"\"} 2097152"))
    #expect(lines.contains("vmalloc_owner_pages_bytes{owner=\"(others)\",module=\"\"} 45056"))
    #expect(lines.contains("vmalloc_space_bytes{kind=\"unpurged\"} 20480"))
    #expect(lines.filter { $0.hasPrefix("vmalloc_owner_areas{") }.count == 2)
    #expect(!lines.contains { $0.contains("+0x") } && lines.last == "# EOF")
    #expect(
      lines.filter { $0.hasPrefix("# TYPE") }.count == Set(lines.filter { $0.hasPrefix("# TYPE") }).count)
  }

  @Test(arguments: [
    ("VmallocUsed: 2092 kB\nVmallocChunk: 0 kB\n", "equals the pages of the list"),
    ("VmallocUsed: 0 kB\n", "Linux 4.4 to 5.2 always print 0"),
    ("VmallocUsed: 4172 kB\nVmallocChunk: 40000 kB\n", "address space, not pages (before Linux 4.4)"),
    ("VmallocUsed: 3000 kB\n", "908.0 KiB more than the pages of the list"),
  ])
  func theKernelsOwnSumIsExplained(_ meminfo: String, _ reason: String) throws {
    #expect(try Lists.table(Lists.morning + meminfo).contains(reason))
  }

  @Test(arguments: [
    (UInt64(0), "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_048_575, "1.0 MiB"), (10 << 20, "10.0 MiB"),
    (UInt64.max, "16.0 EiB"),
  ])
  func sizesAreRounded(_ bytes: UInt64, _ text: String) { #expect(Sizes.human(bytes) == text) }

  @Test func sizesAreParsed() {
    #expect(
      ["0", "64K", "1.5G", "64MiB", "3 kb", "10B"].map(Sizes.parse) == [
        0, 65536, 1_610_612_736, 67_108_864, 3072, 10,
      ])
    #expect(["", "x", "-1", "1Q", "1e400", "999999999P"].map(Sizes.parse) == [nil, nil, nil, nil, nil, nil])
  }
}
