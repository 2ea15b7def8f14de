import BootReplay
import Testing

@testable import LinuxMemory

/// Events as ftrace and others print them.
enum EventLine {
  static let ftrace = "            bash-20389   [000] .....   649.602351: "
  static let range = "vstart=0xffffc90000000000 vend=0xffffe8ffffffffff"

  static func allocation(_ address: UInt64, size: UInt64 = 20480, head: String = ftrace, failed: Int = 0)
    -> String
  {
    "\(head)alloc_vmap_area: va_start: \(address) size=\(size) align=16384 \(range) failed=\(failed)\n"
  }

  static func free(_ address: UInt64, head: String = ftrace) -> String {
    "\(head)free_vmap_area_noflush: va_start=0x\(String(address, radix: 16)) nr_lazy=46 nr_lazy_max=16384\n"
  }
}

@Suite struct RecordingTests {
  static let base: UInt64 = 0xffff_c900_0000_0000

  private func read(_ text: String, isStrict: Bool = false) throws -> Recording {
    try Recording.read(Array(text.utf8), isStrict: isStrict)
  }

  /// A line of each kernel and tool: who, and when.
  @Test(
    arguments: [
      ("            bash-20389   [000] .....   649.602351: ", "bash", 649_602_351_000),
      ("            bash-20389   [000] d..1.   649.602351: ", "bash", 649_602_351_000),
      ("            bash-20389 [000] ....   649.602351: ", "bash", 649_602_351_000),
      ("            bash-20389 [000]   649.602351: ", "bash", 649_602_351_000),
      ("            bash-20389   (  20389) [000] .....   649.602351: ", "bash", 649_602_351_000),
      ("            bash-20389 (-----) [000] ....   649.602351: ", "bash", 649_602_351_000),
      ("            bash-20389   [000] ..... 1303499905588: ", "bash", 1_303_499_905_588),
      ("            bash-20389   [000] .....            3: ", "bash", 3),
      ("    bash-17901   1.....   24389us+: ", "bash", 24389),
      (
        "            bash   17901   1 0 00000000 00000000 [249a62fd] 24.389ms (+0.315ms): ", "bash",
        24_389_000_000
      ),
      ("            bash 20874 [001]   651.867004:        vmalloc:", "bash", 651_867_004_000),
      ("            bash 20874/20874 [001]   651.867004946:        vmalloc:", "bash", 651_867_004_946),
      ("            bash 20874   651.867004:        vmalloc:", "bash", 651_867_004_000),
      ("  Web Content:[x]-1 [3] a-77  [003] d..1.  1.5: ", "Web Content:[x]-1 [3] a", 1_500_000_000),
      ("", "", 0),
    ] as [(String, String, UInt64)])
  func everyHeadIsRead(_ head: String, task: String, time: UInt64) throws {
    let recording = try read(EventLine.allocation(Self.base, head: head), isStrict: true)
    let event = try #require(recording.events.first)
    #expect(recording.events.count == 1)
    #expect(recording.names[event.task] == task && event.time == time)
    #expect(event.address == Self.base && event.byteCount == 20480 && event.alignmentShift == 14)
    #expect(recording.ranges.map(\.start) == [Self.base])
  }

  @Test func functionsOfAStackNameTheCaller() throws {
    let stack =
      " => trace_event_raw_event_alloc_vmap_area\n => alloc_vmap_area\n => __get_vm_area_node\n"
      + " => __vmalloc_node_range_noprof\n => copy_process\n => kernel_clone\n"
    let other = EventLine.ftrace.replacing("bash", with: "zsh ")
    let text =
      EventLine.allocation(Self.base) + EventLine.allocation(Self.base + 32768, head: other)
      + EventLine.ftrace
      + "<stack trace>\n" + stack + other + "<stack trace>\n"
      + stack.replacing("copy_process", with: "load_module")
    let recording = try read(text)
    #expect(
      recording.events.map { recording.names[recording.owner(of: $0)] } == ["copy_process", "load_module"])
    #expect(recording.counts.stackFrames == 12 && recording.counts.others == 2)
    let perf =
      "\tffffffff81607dc4 alloc_vmap_area+0x684 ([kernel.kallsyms])\n\tffffffff813556b1 dup+0x1 (k)\n\n"
    let second = try read(EventLine.allocation(Self.base, head: "bash 1 [000] 6.5: vmalloc:") + perf)
    #expect(second.events.map { second.names[second.caller(of: $0)] } == ["dup"])
  }

  @Test func whatBeganBeforeIsCountedAndLeftOut() throws {
    let text =
      "# entries-in-buffer/entries-written: 4/104   #P:2\n" + EventLine.free(Self.base)
      + EventLine.allocation(Self.base)
      + EventLine.free(Self.base) + EventLine.free(Self.base)
    let recording = try read(text, isStrict: true)
    #expect(recording.events.map(\.kind) == [.allocation, .free])
    #expect(recording.counts.freesOfOthers == 2 && recording.counts.frees == 3)
    #expect(recording.counts.overwrittenEvents == 100)
    #expect(recording.figures.liveAreas == 0 && recording.figures.peakBytes == 20480)
    #expect(recording.notes.count == 2)
  }

  @Test func anAreaOverAnotherFreesItFirst() throws {
    let text =
      EventLine.allocation(Self.base) + "CPU:1 [LOST 12 EVENTS]\n" + EventLine.allocation(Self.base + 16384)
      + EventLine.free(Self.base + 20480)
    let recording = try read(text)
    #expect(recording.events.map(\.kind) == [.allocation, .free, .allocation])
    #expect(recording.events.map(\.address) == [Self.base, Self.base, Self.base + 16384])
    let counts = recording.counts
    #expect(counts.freesUnseen == 1 && counts.freesInside == 1 && counts.gaps == 1 && counts.lostEvents == 12)
    #expect(recording.notes.contains { $0.contains("lost events in 1 places, of 12") })
    let error = #expect(throws: RecordingError.self) { try read(text, isStrict: true) }
    #expect(error?.isOfStrict == true && error?.line == 2)
  }

  @Test func damagedLinesAreCountedOrRefused() throws {
    let text =
      EventLine.allocation(Self.base) + "prose here\n" + EventLine.allocation(Self.base + 32768).dropLast(9)
    let recording = try read(text)
    #expect(recording.counts.allocations == 1 && recording.counts.unreadLines == 2)
    #expect(recording.counts.firstUnreadLine == 2 && recording.counts.lines == 3)
    let error = #expect(throws: RecordingError.self) { try read(text, isStrict: true) }
    #expect(error?.description.contains("line 2") == true)
  }

  @Test(arguments: [
    ("18024 1 614597773775 type: 716\n", "raw output"),
    ("000046e3 00000000 0000008f3a86fb98 type: 716\n", "hex output"),
    (EventLine.ftrace + "vfree <-load_module\n", "function tracer"),
    (" 0)   0.1 us  |  vfree();\n", "graph tracer"),
    ("name: alloc_vmap_area\nID: 716\n", "format file"),
    ("0xffff-0xfffff 8192 a+0x1/0x2 vmalloc\n", "vmallocinfo"),
    ("# tracer: nop\n#\n", "a header but no events"), ("", "it is empty"),
    ("Dear list,\n", "no line of it is an event"),
    ("\u{1f}\u{8b}x\0\n", "not text"),
  ])
  func whatIsNoTraceIsNamed(_ text: String, reason: String) {
    let error = #expect(throws: RecordingError.self) { try read(text) }
    #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
  }

  @Test func aMarkOfUTF8IsNoObstacle() throws {
    #expect(try read("\u{feff}# tracer: nop\n" + EventLine.allocation(Self.base)).events.count == 1)
  }

  /// However the blocks are cut, the recording is the same.
  @Test(arguments: [1, 7, 100, 1000])
  func blocksOfAnySizeReadTheSame(block: Int) throws {
    let whole = try Recording.read(path: Recorded.trace)
    let cut = try Recording.read(path: Recorded.trace, block: block)
    #expect(cut.counts == whole.counts)
    #expect(cut.events.map(\.address) == whole.events.map(\.address))
    #expect(cut.events.map(\.line) == whole.events.map(\.line))
  }

  /// The recorded boot, whose figures its README tells.
  @Test func theRecordedBootIsWhole() throws {
    let recording = try Recording.read(path: Recorded.trace, isStrict: true)
    let counts = recording.counts
    #expect(counts.allocations == 707 && counts.frees == 426 && counts.purges == 683 && counts.lines == 1828)
    #expect(recording.events.count == 1133 && recording.notes.isEmpty && recording.hasSeconds)
    #expect(recording.figures.liveAreas == 281 && recording.figures.peakBytes == 23_318_528)
  }

  @Test func aListIsReadAsAllocationsInItsOrder() throws {
    let recording = try Recording.readAny(path: Recorded.list)
    #expect(recording.isListing && recording.events.allSatisfy { $0.kind == .allocation })
    #expect(recording.events.count == 277 && recording.counts.freesUnseen == 0)
    #expect(recording.names[recording.events[0].task] == "irq_init_percpu_irqstack")
  }

  /// Random damage of real lines: no crash, and every line is counted once.
  @Test(arguments: 1...40 as ClosedRange<UInt64>)
  func anyBytesAreRead(seed: UInt64) throws {
    var random = Seeded(seed)
    var bytes = Array(
      (EventLine.allocation(Self.base) + EventLine.free(Self.base) + "CPU:1 [LOST 2 EVENTS]\n").utf8)
    bytes += bytes + Array("bash 1 [000] 6.5: vmalloc:alloc_vmap_area(addr: 0x1000, size: -1)\n".utf8) + bytes
    for _ in 0..<random.below(60) { bytes[random.below(bytes.count)] = UInt8(random.below(256)) }
    if random.below(3) == 0 { bytes.removeSubrange(random.below(bytes.count)..<bytes.count) }
    let lines = bytes.split(separator: 10, omittingEmptySubsequences: false)
    let expected = lines.count - (lines.last?.isEmpty == true ? 1 : 0)
    do {
      let recording = try Recording.read(bytes)
      #expect(recording.counts.lines == UInt64(expected))
      #expect(recording.counts.events >= UInt64(recording.events.count) - recording.counts.freesUnseen)
    } catch is RecordingError {}
  }
}

extension Recording {
  fileprivate func caller(of event: Event) -> UInt32 { event.caller }
}

/// The recording that comes with the project.
enum Recorded {
  private static let folder =
    #filePath.split(separator: "/").dropLast(4).map { "/" + $0 }.joined()
    + "/Examples/traces/debian-6.12-boot"
  static let trace = folder + "/trace.txt"
  static let list = folder + "/vmallocinfo.txt"
}

/// Numbers that are the same in every run.
struct Seeded {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 }

  mutating func below(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % max(1, bound)
  }
}
