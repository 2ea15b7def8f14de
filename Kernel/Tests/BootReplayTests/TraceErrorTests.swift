import ComputerSimulation
import KernelMemory
import Testing

@testable import BootReplay
@testable import SimulatedRun

/// A recording that cannot be replayed: its text, and what must be said about it.
struct BadTrace: CustomTestStringConvertible, Sendable {
  let name: String
  let bytes: [UInt8]
  let line: UInt64
  let problem: TraceError.Problem

  init(_ name: String, _ text: String, line: UInt64, _ problem: TraceError.Problem) {
    self.init(name, bytes: Array(text.utf8), line: line, problem)
  }

  init(_ name: String, bytes: [UInt8], line: UInt64, _ problem: TraceError.Problem) {
    self.name = name
    self.bytes = bytes
    self.line = line
    self.problem = problem
  }

  var testDescription: String { name }

  /// An event at line 2 that has no right form.
  static func event(_ event: String, _ problem: TraceError.Problem) -> BadTrace {
    BadTrace(event, Line.alloc + Line.prefix() + event + "\n", line: 2, problem)
  }
}

private let shapes: [BadTrace] = [
  BadTrace("nothing", "", line: 1, .empty),
  BadTrace("blank lines", "\n  \n\t\n", line: 3, .empty),
  BadTrace("a header alone", Line.header, line: 4, .noEvents),
  BadTrace("a NUL byte", Line.alloc + "abc\0\n", line: 2, .notText(0)),
  BadTrace("a compressed file", bytes: [0x1f, 0x8b, 8, 0, 0], line: 1, .notText(0x1f)),
  BadTrace("a last line without its end", Line.alloc + String(Line.alloc.dropLast()), line: 2, .truncated),
  BadTrace("a last line cut in a number", Line.alloc + String(Line.alloc.dropLast(40)), line: 2, .truncated),
  BadTrace(
    "fewer events than announced", "# entries-in-buffer/entries-written: 3/3   #P:2\n" + Line.alloc, line: 2,
    .eventsMissing(announced: 3, found: 1)),
  BadTrace(
    "a snapshot", "0xff7d531e80000000-0xff7d531e80005000   20480 irq_init+0xf4/0x130 vmap\n", line: 1,
    .snapshot),
  BadTrace(
    "a snapshot of hidden addresses",
    "0x(____ptrval____)-0x(____ptrval____)   20480 irq_init+0xf4/0x130 vmap\n", line: 1, .snapshot),
  BadTrace("a snapshot without any", "(ptrval)-(ptrval) 20480 irq_init+0xf4/0x130\n", line: 1, .snapshot),
  BadTrace("UTF-8 with a mark", bytes: [0xef, 0xbb, 0xbf] + Line.alloc.utf8, line: 1, .byteOrderMark),
  BadTrace("UTF-16", bytes: [0xff, 0xfe, 0x23, 0, 0x0a, 0], line: 1, .byteOrderMark),
  BadTrace("a control character in prose", "\u{1b}[1mHere\n", line: 1, .notText(0x1b)),
  BadTrace("raw output", "18024 1 614597773775 type: 716\n", line: 1, .unusable(.raw)),
  BadTrace("hex output", "000046e3 00000000 0000008f3a86fb98 type: 716\n", line: 1, .unusable(.hex)),
  BadTrace(
    "calls", Line.alloc + Line.prefix() + "alloc_vmap_area <-__get_vm_area_node\n", line: 2,
    .unusable(.functions)),
  BadTrace(
    "calls by trace-cmd", Line.prefix() + "function:    vmalloc <-- load\n", line: 1, .unusable(.functions)),
  BadTrace("a graph", " 0)   0.123 us    |  vfree();\n", line: 1, .unusable(.functionGraph)),
  BadTrace("a format file", "name: alloc_vmap_area\nID: 716\nformat:\n", line: 1, .unusable(.format)),
  BadTrace("lost events by trace-cmd", Line.alloc + "CPU:1 [7 EVENTS DROPPED]\n", line: 2, .lostEvents(7)),
  BadTrace(
    "a snapshot behind events", Line.alloc + "0x0000000000000000-0x0000000000000000    8192\n", line: 2,
    .snapshot),
  BadTrace("counted lost events", Line.alloc + "CPU:1 [LOST 12 EVENTS]\n", line: 2, .lostEvents(12)),
  BadTrace("uncounted lost events", Line.alloc + "CPU:0 [LOST EVENTS]\n", line: 2, .lostEvents(0)),
  BadTrace("prose", "\nWhat lies here\n", line: 2, .malformed(.task)),
  BadTrace(
    "no pid", "  init  [001] d..1.  0.1: purge_vmap_area_lazy: start=0x0\n", line: 1, .malformed(.task)),
  BadTrace("no CPU", "  init-1  d..1.  0.1: purge_vmap_area_lazy: start=0x0\n", line: 1, .malformed(.task)),
  BadTrace("no name", "  -1  [001] d..1.  0.1: purge_vmap_area_lazy: \n", line: 1, .malformed(.task)),
  BadTrace("no time", "  init-1  [001] d..1.  purge_vmap_area_lazy: \n", line: 1, .malformed(.timestamp)),
  BadTrace("bad time", "  init-1  [001] d..1.  1.2.3: purge_vmap: \n", line: 1, .malformed(.timestamp)),
  BadTrace("no event", "  init-1  [001] d..1.  0.1:\n", line: 1, .malformed(.event)),
  BadTrace("nameless event", "  init-1  [001] d..1.  0.1: :\n", line: 1, .malformed(.event)),
  BadTrace("event without colon", "  init-1  [001] d..1.  0.1: purge\n", line: 1, .malformed(.event)),
  BadTrace(
    "bad entries", "# entries-in-buffer/entries-written: x/1\n" + Line.alloc, line: 1, .malformed(.entries)),
  BadTrace(
    "fewer written than kept", "# entries-in-buffer/entries-written: 2/1\n" + Line.alloc, line: 1,
    .malformed(.entries)),
  BadTrace(
    "a huge header", "# entries-in-buffer/entries-written: 1/99999999999999999999\n" + Line.alloc, line: 1,
    .overflow(.entries)),
]

private let range = "vstart=0xffffffffc0331000 vend=0xffffffffff000000"
private let place = "va_start: 18446744072639156224"

private let fields: [BadTrace] = [
  .event("alloc_vmap_area:", .malformed(.vaStart)),
  .event("alloc_vmap_area: va_start: size=8192", .malformed(.vaStart)),
  .event("alloc_vmap_area: va_start: 18446744073709551616 size=8192", .overflow(.vaStart)),
  .event("alloc_vmap_area: va_start=0x10000000000000000 size=8192", .overflow(.vaStart)),
  .event("alloc_vmap_area: va_start: 99999999999999999999999 size=8192", .overflow(.vaStart)),
  .event("alloc_vmap_area: va_start: 12f size=8192", .malformed(.vaStart)),
  .event("alloc_vmap_area: \(place) align=1", .malformed(.size)),
  .event("alloc_vmap_area: \(place) size=", .malformed(.size)),
  .event("alloc_vmap_area: \(place) size=-4096 align=1", .malformed(.size)),
  .event("alloc_vmap_area: \(place) size=8192", .malformed(.align)),
  .event("alloc_vmap_area: \(place) size=8192 align=1", .malformed(.vstart)),
  .event("alloc_vmap_area: \(place) size=8192 align=1 vstart=0x1000", .malformed(.vend)),
  .event("alloc_vmap_area: \(place) size=8192 align=1 \(range)", .malformed(.failed)),
  .event("alloc_vmap_area: \(place) size=8192 align=1 \(range) failed=2", .malformed(.failed)),
  .event("alloc_vmap_area: \(place) size=0 align=1 \(range) failed=0", .malformed(.size)),
  .event("alloc_vmap_area: \(place) size=8191 align=1 \(range) failed=0", .malformed(.size)),
  .event("alloc_vmap_area: \(place) size=8192 align=0 \(range) failed=0", .malformed(.align)),
  .event("alloc_vmap_area: \(place) size=8192 align=3 \(range) failed=0", .malformed(.align)),
  .event(
    "alloc_vmap_area: \(place) size=8192 align=1 vstart=0x10 vend=0x20000 failed=0", .malformed(.vstart)),
  .event("alloc_vmap_area: \(place) size=8192 align=1 vstart=0x2000 vend=0x2fff failed=0", .malformed(.vend)),
  .event("alloc_vmap_area: va_start: 8192 size=8192 align=1 \(range) failed=0", .malformed(.vaStart)),
  .event(
    "alloc_vmap_area: va_start: 18446744072639156225 size=4096 align=1 \(range) failed=0",
    .malformed(.vaStart)),
  .event("alloc_vmap_area: \(place) size=18446744073709547520 align=1 \(range) failed=0", .malformed(.size)),
  .event("free_vmap_area_noflush:", .malformed(.vaStart)),
  .event("free_vmap_area_noflush: va_start=0 nr_lazy=1 nr_lazy_max=2", .malformed(.vaStart)),
  .event("free_vmap_area_noflush: va_start=0x1001 nr_lazy=1 nr_lazy_max=2", .malformed(.vaStart)),
  .event("free_vmap_area_noflush: va_start=0xffffffffc0331000", .malformed(.nrLazy)),
  .event("free_vmap_area_noflush: va_start=0xffffffffc0331000 nr_lazy=1", .malformed(.nrLazyMax)),
  .event("purge_vmap_area_lazy: end=0x0", .malformed(.start)),
  .event("purge_vmap_area_lazy: start=0x0", .malformed(.end)),
  .event("purge_vmap_area_lazy: start=0x0 end=0x0 num_purged=", .malformed(.numPurged)),
]

@Suite struct TraceErrorTests {
  @Test(arguments: shapes + fields)
  func isRefusedAtItsLine(_ bad: BadTrace) throws {
    let error = #expect(throws: TraceError.self) {
      try withTrace(bad.bytes) { _ = try TraceCensus($0) }
    }
    #expect(error == TraceError(line: bad.line, bad.problem))
  }

  @Test(arguments: shapes + fields)
  func isExplainedInOneLine(_ bad: BadTrace) {
    var sink = TextBuffer()
    TraceError(line: bad.line, bad.problem).write(to: &sink)
    #expect(sink.text.hasPrefix("cannot replay the trace: line \(bad.line): "))
    #expect(sink.text.count > 50)
    #expect(sink.text.filter(\.isNewline).count == 1 && sink.text.hasSuffix("\n"))
  }

  @Test func theListingOfTheRecordingIsCalledASnapshot() throws {
    let listing = try Recording.bytes(of: "vmallocinfo.txt")
    let error = #expect(throws: TraceError.self) { try withTrace(listing) { _ = try TraceCensus($0) } }
    #expect(error == TraceError(line: 1, .snapshot))
  }

  /// Wherever the recording is cut off, that is noticed: inside a line, or between two.
  @Test func everyTruncationOfTheRecordingIsNoticed() throws {
    let trace = try Recording.trace()
    for length in stride(from: 600, to: trace.count, by: 29_989) {
      let cut = Array(trace[..<length])
      #expect(throws: TraceError.self) { try withTrace(cut) { _ = try TraceCensus($0) } }
      let lines = Array(cut[...(cut.lastIndex(of: UInt8(ascii: "\n")) ?? 0)])
      #expect(throws: TraceError.self) { try withTrace(lines) { _ = try TraceCensus($0) } }
    }
  }
}
