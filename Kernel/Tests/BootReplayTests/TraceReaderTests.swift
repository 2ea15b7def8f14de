import KernelMemory
import Testing

@testable import BootReplay

@Suite struct TraceReaderTests {
  private func events<Result>(of text: String, _ each: (TraceEvent) -> Result) throws -> [Result] {
    try withTrace(text) { trace in
      var reader = TraceReader(trace)
      var results: [Result] = []
      while let event = try reader.next() { results.append(each(event)) }
      return results
    }
  }

  private func task(of line: String) throws -> String? {
    try events(of: line) { event -> String? in
      guard case .allocation(let allocation) = event else { return nil }
      return allocation.task.withUTF8 { String(decoding: $0, as: UTF8.self) }
    }.first ?? nil
  }

  @Test(arguments: [
    ("init-1", "init"), ("<idle>-0", "<idle>"), ("kworker/1:2-177", "kworker/1:2"),
    ("a b  c-12", "a b  c"), ("a-1-2", "a-1"), ("-5-6", "-5"), ("[kthread]-7", "[kthread]"),
    ("x [000] y-8", "x [000] y"), ("x-1 [000] y-9", "x-1 [000] y"), ("zażółć-3", "zażółć"),
    ("busybox-45    (     45)", "busybox"), ("busybox-45    (-------)", "busybox"),
    ("(sd-pam)-6", "(sd-pam)"),
  ])
  func tasks(column: String, expected: String) throws {
    #expect(try task(of: Line.allocation(at: 0xffff_ffff_c033_1000, by: column)) == expected)
  }

  @Test(arguments: ["[000]     0.000000: ", "[001] d..1. 12345678901: ", "[127] dNZff  1.5: "])
  func columnsBehindTheCPU(_ columns: String) throws {
    let line = Line.alloc.replacing("[001] d..1.    36.462497: ", with: columns)
    #expect(try task(of: line) == "init")
  }

  @Test func anAllocationHasAllItsFields() throws {
    let line = Line.allocation(at: 0xffff_ffff_c034_0000, size: 12288, align: 16384)
    let found = try events(of: line) { event -> [UInt64] in
      guard case .allocation(let area) = event else { return [] }
      #expect(!area.failed)
      return [area.address, area.byteCount, area.alignment, area.range.start, area.range.end]
    }
    #expect(
      found == [[0xffff_ffff_c034_0000, 12288, 16384, 0xffff_ffff_c033_1000, 0xffff_ffff_ff00_0000]])
  }

  /// The end of the vmalloc range is written as its last byte.
  @Test func anInclusiveEndIsRoundedDownToAPage() {
    #expect(TraceRange(vstart: 0x8000_0000, vend: 0xffff_7fff_ffff).end == 0xffff_7fff_f000)
    #expect(TraceRange(vstart: 0x8000_0000, vend: 0xffff_8000_0000).end == 0xffff_8000_0000)
  }

  @Test func aFailedAllocationNeedsNoAddress() throws {
    let census = try withTrace(Line.allocation(at: 0xffff_ffff_ff00_0000, failed: 1) + Line.alloc) {
      try TraceCensus($0)
    }
    #expect(census.failedAllocations == 1 && census.allocations == 1)
  }

  @Test func otherEventsAndStacksAreCounted() throws {
    let text =
      Line.header + Line.alloc + Line.prefix() + "sched_switch: prev_comm=a [120] prev_pid=3\n"
      + Line.prefix() + "<stack trace>\n => alloc_vmap_area\n => __get_vm_area_node\n"
      + "##### CPU 1 buffer started ####\n" + Line.prefix()
      + "purge_vmap_area_lazy: start=0x1 end=0x0 num_purged=2\n"
    let census = try withTrace(text) { try TraceCensus($0) }
    #expect(census.others == 2 && census.allocations == 1 && census.purges == 1 && census.events == 4)
    #expect(census.lines == 11)
  }

  @Test func linesMayEndAsOtherSystemsEndThem() throws {
    let text = (Line.alloc + Line.free(0xffff_ffff_c033_1000)).replacing("\n", with: "\r\n")
    let census = try withTrace(text) { try TraceCensus($0) }
    #expect(census.allocations == 1 && census.frees == 1)
  }

  @Test func whatWasOverwrittenBeforeTheFirstEventIsToldAndNoError() throws {
    let text = "# entries-in-buffer/entries-written: 1/101   #P:2\n" + Line.alloc
    #expect(try withTrace(text) { try TraceCensus($0) }.overwritten == 100)
  }

  @Test func theRecordingHasTheEventsThatItsOriginTells() throws {
    let census = try withTrace(try Recording.trace()) { try TraceCensus($0) }
    #expect(census.allocations == 707)
    #expect(census.frees == 426)
    #expect(census.purges == 683)
    #expect(census.others == 0 && census.failedAllocations == 0 && census.overwritten == 0)
    #expect(census.lines == 1828)
  }
}
