import ComputerSimulation
import KernelMemory
import Testing

@testable import BootReplay
@testable import SimulatedRun

/// A run of the job and what it printed.
struct JobPrint {
  let outcome: JobOutcome
  let text: String
  /// The lines `name=value`.
  let values: [String: String]

  init(
    _ trace: [UInt8], memory: UInt64 = 256 << 20, laps: UInt64 = 1, listsAll: Bool = false
  ) throws {
    var computer = try SimulatedComputer(memory: memory)
    try self.init(trace, on: &computer, computer.manager, laps: laps, listsAll: listsAll)
  }

  init(
    _ trace: [UInt8], on machine: inout some JobMachine, _ manager: MemoryManager, laps: UInt64 = 1,
    listsAll: Bool = false
  ) throws {
    var options = JobOptions()
    options.laps = laps
    options.listsAllAreas = listsAll
    options.machineName = "a test's machine"
    var sink = TextBuffer()
    outcome = try trace.withUnsafeBytes { bytes in
      let job = try BootJob(trace: bytes, options: options)
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: job.workingMemory, alignment: 16)
      defer { memory.deallocate() }
      // What lies in the memory before must not matter.
      memory.initializeMemory(as: UInt8.self, repeating: 0xa5)
      return job.run(on: manager, machine: &machine, memory: memory, reportingTo: &sink)
    }
    text = sink.text
    var values: [String: String] = [:]
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: "=")
      if parts.count == 2, !line.contains(" ") { values[String(parts[0])] = String(parts[1]) }
    }
    self.values = values
  }

  func value(_ name: String) -> Int? { values[name].flatMap(Int.init) }
}

@Suite struct BootJobTests {
  /// One run that several tests look at.
  private static let plain = Result { try JobPrint(try Recording.trace(), listsAll: true) }

  @Test func theRecordingComesToTheFiguresOfItsOrigin() throws {
    let print = try Self.plain.get()
    #expect(print.outcome == .passed)
    #expect(print.values["verdict"] == "pass")
    #expect(print.value("areas.total") == 707)
    #expect(print.value("areas.freed") == 426)
    #expect(print.value("areas.live") == 281)
    #expect(print.value("bytes.peak") == 23_318_528)
    #expect(print.value("trace.purges") == 683)
    #expect(print.value("violations") == 0)
    #expect(print.text.contains("PASS"))
  }

  /// Four words in every page, all read back; four touches of every guard and of every freed area.
  @Test func everyPageIsVerified() throws {
    let print = try Self.plain.get()
    let pages = try #require(print.value("pages.total"))
    #expect(pages > 707)
    #expect(print.value("words.written") == 4 * pages)
    #expect(print.value("words.read") == 4 * pages)
    #expect(print.value("touches.guard") == 4 * 707)
    #expect(print.value("touches.freed") == 2 * 14_798)
    // The recording's areas have ten whole parts of 2 MiB, each mapped by one large leaf; two of them stay.
    #expect(print.value("entries.written") == pages - 10 * 511)
    let live = try #require(print.value("pages.live"))
    #expect(print.value("entries.cleared") == pages - live - 8 * 511)
  }

  /// What the manager does depends on the recording, not on how much RAM there is or where it lies.
  @Test func allValuesButThoseOfFramesAreTheSameWithMoreMemory() throws {
    let trace = try Recording.trace()
    let small = try JobPrint(trace, memory: 128 << 20)
    let large = try JobPrint(trace, memory: 6 << 30)
    #expect(small.outcome == .passed && large.outcome == .passed)
    let isOfMachine: (String) -> Bool = { $0.hasPrefix("frames.") }
    #expect(small.values.filter { !isOfMachine($0.key) } == large.values.filter { !isOfMachine($0.key) })
    #expect(small.values.count > 35)
  }

  @Test func lapsBeginWithNothingAndTheLastOneKeepsItsAreas() throws {
    let one = try Self.plain.get()
    let three = try JobPrint(try Recording.trace(), laps: 3)
    #expect(three.outcome == .passed)
    #expect(three.value("laps") == 3)
    #expect(three.value("areas.total") == 3 * 707)
    #expect(three.value("areas.freed") == 3 * 707 - 281)
    #expect(three.value("areas.live") == 281)
    #expect(three.value("bytes.peak") == 23_318_528)
    let pages = try #require(one.value("pages.total"))
    #expect(three.value("pages.total") == 3 * pages)
    #expect(three.value("words.read") == 3 * 4 * pages)
  }

  @Test func theManagerIsWholeAfterwards() throws {
    var computer = try SimulatedComputer(memory: 256 << 20)
    _ = try JobPrint(try Recording.opening(events: 300), on: &computer, computer.manager, laps: 2)
    #expect(computer.manager.validate() == nil)
  }

  /// One manager may serve several jobs, one after the other; what the first left is not the second's.
  @Test func aSecondJobOnTheSameManagerCountsItsOwn() throws {
    var computer = try SimulatedComputer(memory: 256 << 20)
    let trace = try Recording.opening(events: 200)
    let first = try JobPrint(trace, on: &computer, computer.manager)
    let second = try JobPrint(trace, on: &computer, computer.manager)
    #expect(first.outcome == .passed && second.outcome == .passed)
    #expect(second.value("areas.total") == first.value("areas.total"))
    #expect(second.value("areas.live") == first.value("areas.live"))
    // Its module range is taken, so the vmalloc range stands in.
    #expect(second.text.contains("overlaps another"))
  }

  @Test func rangesOfTheRecordingAreUsedWhereTheyCan() throws {
    let text = try Self.plain.get().text
    #expect(text.contains("0xff7d531e80000000-0xffaf531e7ffff000"))
    #expect(text.contains("the page tables do not translate 0xff7d531e80000000"))
    let rows = text.split(separator: "\n").filter { $0.contains(" vmalloc N0=") }
    #expect(rows.count == 281)
    let modules = rows.filter { $0.hasPrefix("0xffffffff") }
    let vmallocs = rows.filter { $0.hasPrefix("0xffffc9") }
    #expect(modules.count + vmallocs.count == 281 && !modules.isEmpty && !vmallocs.isEmpty)
    #expect(modules.allSatisfy { $0 > "0xffffffffc0331000" })
    #expect(rows.contains { $0.contains(" busybox pages=") })
  }

  @Test func theListingIsCutToItsEnds() throws {
    let text = try JobPrint(try Recording.opening(events: 100)).text
    let all = try #require(text.firstMatch(of: #/areas.live=(\d+)/#)?.1)
    let rest = try #require(Int(all)) - 16
    #expect(text.split(separator: "\n").filter { $0.contains(" vmalloc N0=") }.count == 16)
    #expect(rest > 0 && text.contains("... \(rest) rows more ..."))
  }

  @Test func noLineIsWiderThanATerminal() throws {
    let text = try Self.plain.get().text
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      #expect(line.count <= 100, "\(line)")
      #expect(line.last != " ", "\(line)")
    }
  }

  @Test(arguments: [
    (Line.alloc + Line.free(0xffff_ffff_c033_2000), "line 2: frees 0xffffffffc0332000, which is inside"),
    (Line.alloc + Line.alloc, "line 2: allocates 0xffffffffc0331000"),
    (
      Line.alloc + Line.allocation(at: 0xffff_ffff_c033_2000),
      "line 2: allocates 0xffffffffc0332000, which overlaps"
    ),
  ])
  func aContradictionIsToldBeforeAnythingIsReplayed(text: String, message: String) throws {
    var computer = try SimulatedComputer(memory: 64 << 20)
    let before = computer.manager.counters
    let print = try JobPrint(Array(text.utf8), on: &computer, computer.manager)
    #expect(print.outcome == .badTrace && print.outcome.exitStatus == 2)
    #expect(print.text.hasPrefix("cannot replay the trace: " + message))
    #expect(computer.manager.counters == before)
  }

  @Test func aMachineThatIsTooSmallFailsAtTheLineThatItCannotServe() throws {
    let text = Line.alloc + Line.allocation(at: 0xffff_ffff_c040_0000, size: 64 << 20)
    let print = try JobPrint(Array(text.utf8), memory: 16 << 20)
    #expect(print.outcome == .failed && print.outcome.exitStatus == 1)
    #expect(print.text.contains("line 2: vmalloc of 67,104,768 bytes was refused: "))
    #expect(print.values["verdict"] == "fail")
    #expect(print.value("areas.total") == 1)
  }

  /// Nothing to replay is a run with zeros, whose peak is none.
  @Test(arguments: [
    Line.prefix() + "sched_switch: a=1\n", Line.allocation(at: 0xffff_ffff_ff00_0000, failed: 1),
  ])
  func aTraceWithoutAnAreaComesToZeros(_ text: String) throws {
    let print = try JobPrint(Array(text.utf8))
    #expect(print.outcome == .passed)
    #expect(print.value("areas.total") == 0 && print.value("frames.peak") == 0)
    #expect(print.text.contains("  peak memory, in bytes                      0 "))
  }

  @Test func aFirstRequestThatIsRefusedIsReported() throws {
    let text = Line.allocation(at: 0xffff_ffff_c040_0000, size: 512 << 20)
    let print = try JobPrint(Array(text.utf8), memory: 64 << 20)
    #expect(print.outcome == .failed)
    #expect(print.text.contains("line 1: vmalloc of 536,866,816 bytes was refused: "))
    #expect(print.values["verdict"] == "fail")
    #expect(print.value("areas.total") == 0)
    #expect(try #require(print.value("frames.peak")) < 16)
  }

  /// Every recording that is switched on at run time has frees of what was there before.
  @Test func aRecordingThatBeganLateIsReplayed() throws {
    let text =
      "# entries-in-buffer/entries-written: 4/504   #P:2\n" + Line.free(0xffff_ffff_c050_0000) + Line.alloc
      + Line.free(0xffff_ffff_c033_1000) + Line.free(0xffff_ffff_c033_1000)
    let print = try JobPrint(Array(text.utf8), laps: 2)
    #expect(print.outcome == .passed)
    #expect(print.value("areas.total") == 2 && print.value("areas.freed") == 2)
    #expect(print.value("trace.frees") == 3 && print.value("trace.frees_of_others") == 2)
    #expect(print.text.contains("  frees of areas unknown                     2  "))
  }

  @Test func aNameWithAnEscapeSequenceIsShownHarmless() throws {
    let print = try JobPrint(Array(Line.allocation(at: 0xffff_ffff_c040_0000, by: "a\u{1b}[31m-7").utf8))
    #expect(print.outcome == .passed)
    #expect(print.text.contains("\n  a?[31m "))
    #expect(!print.text.contains("\u{1b}"))
  }

  @Test func aPageAloneHasNoGuard() throws {
    let text = Line.allocation(at: 0xffff_ffff_c040_0000, size: 4096) + Line.alloc
    let print = try JobPrint(Array(text.utf8))
    #expect(print.outcome == .passed)
    #expect(print.value("areas.unguarded") == 1)
    #expect(print.value("touches.guard") == 4)
    #expect(print.value("pages.total") == 2)
  }

  @Test func tooLittleWorkingMemoryIsRefused() throws {
    var computer = try SimulatedComputer(memory: 64 << 20)
    var sink = TextBuffer()
    let outcome = try Array(Line.alloc.utf8).withUnsafeBytes { bytes in
      let job = try BootJob(trace: bytes)
      let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: job.workingMemory - 1, alignment: 16)
      defer { memory.deallocate() }
      return job.run(on: computer.manager, machine: &computer, memory: memory, reportingTo: &sink)
    }
    #expect(outcome == .failed)
    #expect(sink.text.contains("working memory"))
  }

  /// Tags are fewer than tasks may be; and so are rows for tasks.
  @Test(arguments: [(10, 10, 0), (300, 300, 47), (4_200, 4_097, 3_843)])
  func tasksWithoutATagShareOne(tasks: Int, rows: Int, sharing: Int) throws {
    let lines = (0..<UInt64(tasks)).map { index in
      Line.allocation(at: 0xffff_ffff_c033_1000 + index * 8192, by: "task\(index)-\(index)")
    }
    let print = try JobPrint(Array(lines.joined().utf8), listsAll: true)
    #expect(print.outcome == .passed)
    #expect(print.value("tasks") == rows)
    #expect(print.text.contains("task0 pages=1"))
    #expect(print.text.contains("(other-tasks) pages=1") == (sharing > 0))
    let told = print.text.firstMatch(of: #/tasks that share one tag +([0-9,]+)/#)
    #expect(told.map { $0.1.replacing(",", with: "") } == (sharing > 0 ? "\(sharing)" : nil))
  }

  @Test func rangesBeyondTheTableShareItsLastRow() throws {
    let lines = (0..<11 as Range<UInt64>).map { index in
      let start = 0xffff_f000_0000_0000 + index << 30
      return Line.prefix() + "alloc_vmap_area: va_start: \(start) size=8192 align=1 "
        + "vstart=0x\(String(start, radix: 16)) vend=0x\(String(start + 1 << 30, radix: 16)) failed=0\n"
    }
    let print = try JobPrint(Array(lines.joined().utf8), listsAll: true)
    #expect(print.outcome == .passed)
    let rows = print.text.split(separator: "\n")
    #expect(rows.filter { $0.contains("  the same place") }.count == 7)
    #expect(rows.filter { $0.hasSuffix("  the vmalloc range") }.count == 1)
    #expect(rows.contains { $0.contains("allocations elsewhere") && $0.contains(" 3  in further ranges") })
    #expect(rows.filter { $0.hasPrefix("0xfffff00") && $0.contains(" vmalloc ") }.count == 7)
    #expect(rows.filter { $0.hasPrefix("0xffffc900") && $0.contains(" vmalloc ") }.count == 4)
  }
}
