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
    ("(sd-pam)-6", "(sd-pam)"), ("x-1 [0] 1: a: b-7", "x-1 [0] 1: a: b"),
    ("y-1 [0] 2.5: a:-7", "y-1 [0] 2.5: a:"), ("a\u{1b}[31m\u{7}-7", "a\u{1b}[31m\u{7}"),
    ("bash 20874", "bash"), ("my task 20874/20875", "my task"),
  ])
  func tasks(column: String, expected: String) throws {
    #expect(try task(of: Line.allocation(at: 0xffff_ffff_c033_1000, by: column)) == expected)
  }

  @Test(arguments: ["[000]     0.000000: ", "[001] d..1. 12345678901: ", "[127] dNZff  1.5: "])
  func columnsBehindTheCPU(_ columns: String) throws {
    let line = Line.alloc.replacing("[001] d..1.    36.462497: ", with: columns)
    #expect(try task(of: line) == "init")
  }

  /// Heads of other tools and options, without a CPU column in brackets.
  @Test(arguments: [
    ("    bash-17901   1.....   24389us+: ", "bash"), ("    bash-17901   0d..1.      3us : ", "bash"),
    ("    bash   17901   1 0 00000000 00000000 [249a62fd] 24.389ms (+0.315ms): ", "bash"),
    ("    a 1 b 20874   651.867004:        vmalloc:", "a 1 b"),
    ("    bash 20874/20874  651.867004946: vmalloc:", "bash"),
    ("    init-1  [001] d..1.    36.462497: vmalloc:", "init"), ("", ""),
  ])
  func headsOfOtherForms(_ head: String, expected: String) throws {
    #expect(try task(of: Line.alloc.replacing(Line.prefix(), with: head)) == expected)
  }

  @Test func aLineOfPerfTraceHasItsArgumentsByName() throws {
    let line =
      "     0.000 (  ): my bash/21335 vmalloc:alloc_vmap_area(addr: 0xffffc90002e88000, size: 20480, "
      + "align: 16384, vstart: -60473139527680, vend: -25288767438849)\n 1.5 a/2 vmalloc:free_vmap_area_noflush(va_start: "
      + "0xffffc90002e88000, nr_lazy: 5)\n"
    let found = try events(of: line) { event -> [UInt64] in
      switch event {
      case .allocation(let area): [area.address, area.byteCount, area.range.start, area.range.end]
      case .free(let address): [address]
      default: []
      }
    }
    let address: UInt64 = 0xffff_c900_02e8_8000
    #expect(found == [[address, 20480, 0xffff_c900_0000_0000, 0xffff_e8ff_ffff_f000], [address]])
    #expect(try task(of: line) == "my bash")
  }

  /// A payload that anybody may write cannot pass for an event, since a name has no room for all of that.
  @Test func aMarkerIsNoEventOfVmalloc() throws {
    let text = Line.prefix() + "tracing_mark_write: x-1 [000] 1.0: alloc_vmap_area: va_start: 8192\n"
    #expect(try withTrace(text) { try TraceCensus($0) }.others == 1)
  }

  @Test func whoReadsItemsGoesOnBehindErrorsAndLostEvents() throws {
    let text =
      "prose\n" + Line.alloc + "a\0b\nCPU:0 [LOST 3 EVENTS]\nbash 1 [000] 1.5: vmalloc:other: a=1\n"
      + "\tffffffff81607dc4 alloc_vmap_area+0x684 ([kernel.kallsyms])\n => vfree\ncpus=2\n" + Line.alloc
    var found: [String] = []
    withTrace(text) { trace in
      var reader = TraceReader(trace, behind: 10)
      while true {
        do throws(TraceError) {
          guard let item = try reader.nextItem() else { return }
          switch item {
          case .event(let event, let prefix):
            if case .other = event { found.append("other") } else { found.append(prefix.timestamp.string) }
          case .frame(let name): found.append(name.string)
          case .lost(let count): found.append("lost \(count)")
          case .comment: found.append("comment")
          }
        } catch {
          found.append("line \(error.line)")
        }
      }
    }
    #expect(
      found == [
        "line 11", "36.462497", "line 13", "lost 3", "other", "alloc_vmap_area", "vfree", "comment",
        "36.462497",
      ])
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
