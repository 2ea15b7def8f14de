import LinuxMemory
import Testing

@testable import VmallocTool

/// Where areas lie: whose an address is, how large areas and holes are, and the page that draws them.
@Suite struct PlaceTests {
  private static let list = Array(Lists.morning.utf8)

  @Test func whoseAnAddressIsIsFound() throws {
    func found(_ address: String) throws -> [String] {
      let snapshot = try AddressSearch(address).search(try Lists.read(Lists.morning))
      return snapshot.areas.map { snapshot.callers[$0.caller].text }
    }
    #expect(try found("0xffffc90000204000") == ["kernel_clone+0x94/0x3e0"])
    #expect(try found("ffffc90000208fff") == ["kernel_clone+0x94/0x3e0"])
    #expect(try found("0xffffc90000211001") == ["load+0x1/0x2 [zram]"])
    for (address, reason) in [
      ("0xffffc90000209010", "the nearest one below ends 16 B before it: kernel_clone"),
      ("0x1000", "no area has the address 0x1000."),
    ] {
      let error = #expect(throws: InputError.self) { try found(address) }
      #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
    }
    let hashed = try Lists.read("0x000000007874d405-0x00000000e344a63f    8192 f+0x1/0x2 pages=1 vmalloc\n")
    let error = #expect(throws: InputError.self) { try AddressSearch("0x7874d405").search(hashed) }
    #expect(error?.description.contains("its addresses are hashed") == true)
  }

  @Test func anAddressInAGuardIsToldFromOneInThePages() throws {
    let inside = try Program.run(["inspect", "-", "--at", "0xffffc90000207fff"], input: Self.list)
    #expect(inside.status == 0 && inside.errors.isEmpty && inside.output.contains("kernel_clone+0x94/0x3e0"))
    #expect(!inside.output.contains("zram"))
    let guarded = try Program.run(["inspect", "-", "--at", "0xffffc90000208010"], input: Self.list)
    #expect(guarded.errors == "vmalloc: the address is 16 B behind the area's last page, in its guard.\n")
    #expect(try Program.run(["inspect", "-", "--at", "0x10"], input: Self.list).status == 3)
    #expect(try Program.run(["inspect", "-", "--at", "here"], input: Self.list).status == 2)
  }

  @Test func sizesAndHolesAreCountedWhereAddressesAreReal() throws {
    var report = try Lists.inspect(Lists.morning)
    report.hasHistogram = true
    let histogram = try #require(HistogramReport(report))
    #expect(
      histogram.lines(Paint(.never), width: nil).joined(separator: "\n") == """
           UP TO  AREAS     SPACE  HOLES      FREE  AREAS OF THIS SIZE
         4.0 KiB      -         -      1   4.0 KiB
         8.0 KiB      2  16.0 KiB      -         -  ████████████████
        16.0 KiB      1  16.0 KiB      1  12.0 KiB  ████████
        32.0 KiB      3  60.0 KiB      -         -  ████████████████████████
         2.0 MiB      1   2.0 MiB      -         -  ████████
         4.0 MiB      1   2.0 MiB      -         -  ████████
        32.0 TiB      -         -      1  32.0 TiB
        """)
    #expect(report.json.text().contains("\"holes_bytes\": 12288"))
    var one = try Lists.inspect(Lists.morning, ["--filter", "zram"])
    one.hasHistogram = true
    #expect(HistogramReport(one)?.areas.rows.map(\.count) == [1])
    var hashed = try Lists.inspect(
      "0x000000007874d405-0x00000000e344a63f    8192 f+0x1/0x2 pages=1 vmalloc\n")
    hashed.hasHistogram = true
    #expect(HistogramReport(hashed) == nil && HistogramReport.absence(hashed)?.contains("not real") == true)
    #expect(try HistogramReport(Lists.inspect(Lists.morning)) == nil)
  }

  @Test func sizesOfAllKindsAreCounted() {
    var histogram = SizeHistogram()
    for size in [0, 1, 2, 3, 4096, 4097, UInt64.max] as [UInt64] { histogram.add(size) }
    let rows = histogram.rows.filter { $0.count > 0 }
    #expect(rows.map(\.upTo) == [1, 2, 4, 4096, 8192, 1 << 63] && rows.allSatisfy { $0.count == 1 })
    #expect(histogram.rows.count == 64 && histogram.rows.last?.bytes == .max && SizeHistogram().rows.isEmpty)
  }

  /// The page of `explore`, of the areas that pass.
  @Test func aPageIsAFormat() throws {
    let page = try Program.run(["inspect", "-", "--format", "html"], input: Self.list)
    let explored = try Program.run(["explore", "-", "-o", "-"], input: Self.list)
    #expect(page.status == 0 && page.output == explored.output && page.errors.isEmpty)
    #expect(page.output.hasPrefix("<!DOCTYPE html>") && page.output.contains("\"count\":8,"))
    let devices = try Program.run(
      ["inspect", "-", "--format", "html", "--kind", "ioremap"], input: Self.list)
    #expect(devices.output.contains("\"count\":1,"))
    let none = try Program.run(
      ["inspect", "-", "--format", "html"], input: Array("VmallocUsed: 1 kB\n".utf8))
    #expect(none.status == 3 && none.errors.contains("it has no areas") && none.output.isEmpty)
  }

  /// Without a list nothing is compared with one.
  @Test(arguments: [
    ("VmallocTotal: 34359738367 kB\nVmallocUsed: 7348 kB\nVmallocChunk: 0 kB\n", "pages, since Linux 5.3"),
    ("VmallocTotal: 245760 kB\nVmallocUsed: 190068 kB\nVmallocChunk: 40000 kB\n", "address space, not pages"),
    ("VmallocUsed: 0 kB\nVmallocChunk: 0 kB\nnr_vmalloc 12\n", "Linux 4.4 to 5.2 always print 0"),
  ])
  func sumsAloneAreReadAsSuch(_ meminfo: String, _ reason: String) throws {
    let table = try Lists.table(meminfo)
    #expect(table.contains(reason) && !table.contains("the list") && !table.contains("taken"), "\(table)")
  }

  @Test func rowsWithMorePagesThanFitAreTold() throws {
    func row(_ pages: String) -> String {
      "0xffffc90000000000-0xffffc90000002000    8192 f+0x1/0x2 pages=\(pages) vmalloc\n"
    }
    for pages in ["3", "18446744073709551615"] {
      let table = try Lists.table(row(pages))
      #expect(table.contains("damaged") && table.contains("more pages than fit into them"), "\(table)")
    }
    #expect(try !Lists.table(row("2")).contains("damaged"))
    #expect(try Lists.inspect(row("3")).json.text().contains("\"oversized\": 1"))
  }

  @Test func oneIsNotMany() throws {
    #expect(try Lists.inspect(Lists.morning, ["--top", "4"]).rest?.name == "1 other")
    #expect(try Lists.inspect(Lists.morning, ["--top", "3"]).rest?.name == "2 others")
  }
}
