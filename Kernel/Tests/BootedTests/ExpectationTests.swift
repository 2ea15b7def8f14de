import Testing

/// What the booted tests expect is missed where a line is not there, or says something else.
@Suite struct ExpectationTests {
  private static let handedOver: [(String, Int)] = [
    ("stress.cpus", 2), ("stress.pairs", 400), ("stress.wrong", 0), ("stress.refused", 0),
    ("stress.handed", 101), ("warm.hits", 10), ("flushes.everything", 39), ("notifications.sent", 7),
    ("notifications.taken", 7),
  ]
  private static let replay: [(String, Int)] = [
    ("areas.total", 707), ("areas.freed", 426), ("areas.live", 281), ("bytes.peak", 23_318_528),
    ("violations", 0), ("words.read", 72_320), ("touches.guard", 2_828),
  ]
  private static let interrupts: [(String, Int)] = [
    ("interrupt.cpus", 1), ("interrupt.ticks", 4000), ("wrong", 0), ("interrupt.pairs", 1),
    ("loop.pairs", 1), ("short.pairs", 101), ("short.exhausted", 101), ("short.wouldwait", 100),
  ]
  private static let swiftObjects: [(String, Int)] = [
    ("heap.cpus", 2), ("heap.exercises", 3_600), ("heap.wrong", 0), ("heap.handed", 400),
    ("heap.made", 15_800), ("heap.ended", 15_800), ("heap.live.objects", 0), ("heap.live.bytes", 0),
    ("heap.allocations", 100_001), ("heap.frees", 100_001),
  ]

  private func boot(_ lines: [(String, Int)], verdict: String = "pass", status: Int32 = 33) -> Boot {
    let text = lines.map { "\($0)=\($1)\n" }.joined() + "verdict=\(verdict)\n"
    return Boot(status: status, serial: text, monitor: "")
  }

  /// - Parameter offset: what makes a number wrong: all of these are at their limits.
  private func expectMissed(
    _ lines: [(String, Int)], off offset: [String: Int] = [:], _ expect: (Boot) -> Void
  ) {
    expect(boot(lines))
    withKnownIssue { expect(boot(lines, status: 35)) }
    withKnownIssue { expect(boot(lines, verdict: "fail")) }
    for index in lines.indices {
      var changed = lines
      changed.remove(at: index)
      withKnownIssue("without \(lines[index].0)") { expect(boot(changed)) }
      changed = lines
      changed[index].1 += offset[lines[index].0] ?? 1
      withKnownIssue("\(changed[index])") { expect(boot(changed)) }
    }
  }

  @Test func whatIsNotHandedOver() {
    expectMissed(Self.handedOver, off: ["stress.handed": -1, "notifications.sent": -1]) {
      $0.expectHandedOver(cpus: 2, pairs: 400, mode: "lazy")
    }
  }

  @Test func areasThatDoNotWake() {
    let waking = boot(Self.handedOver.map { $0.0 == "warm.hits" ? ($0.0, 11) : $0 })
    waking.expectHandedOver(cpus: 2, pairs: 400, mode: "warm")
    withKnownIssue { boot(Self.handedOver).expectHandedOver(cpus: 2, pairs: 400, mode: "warm") }
  }

  @Test func anotherReplay() { expectMissed(Self.replay) { $0.expectReplay() } }

  @Test func interruptsThatWait() {
    expectMissed(
      Self.interrupts,
      off: ["interrupt.pairs": -1, "loop.pairs": -1, "short.pairs": -1, "short.exhausted": -1]
    ) { $0.expectInterrupts(cpus: 1) }
  }

  @Test func objectsThatStay() {
    expectMissed(Self.swiftObjects, off: ["heap.allocations": -1]) { $0.expectSwiftObjects(cpus: 2) }
  }

  @Test func messagesThatComeLater() {
    let boot = Boot(status: 41, serial: "x\nerror: \"a\" is no option of this kernel", monitor: "")
    withKnownIssue { boot.expectUnknown("a") }
    let firmware = "OpenSBI\nBoot HART MEDELEG : 0x1\nerror: \"a\" is no option of this kernel"
    Boot(status: 41, serial: firmware, monitor: "").expectUnknown("a")
    withKnownIssue { Boot(status: 41, serial: firmware, monitor: "").expectUnknown("b") }
    withKnownIssue { Boot(status: 37, serial: firmware, monitor: "").expectUnknown("a") }
  }

  @Test func faultsThatSaySomethingElse() {
    let fault = FaultTests.Case(name: "null", lines: ["page fault", "  null"])
    Boot(status: 37, serial: "page fault: write\n  null\n", monitor: "").expectFault(fault)
    let others = ["page fault\n", "  null\n", "page fault\n  null\nnothing faulted\n"]
    for text in others {
      withKnownIssue { Boot(status: 37, serial: text, monitor: "").expectFault(fault) }
    }
    withKnownIssue { Boot(status: 33, serial: "page fault\n  null\n", monitor: "").expectFault(fault) }
  }
}
