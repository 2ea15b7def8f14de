import KernelMemory
import Testing

@testable import BootReplay
@testable import SimulatedRun

/// The verifier must see what a broken machine does. Each lie is told on the opening of the real recording.
@Suite struct VerifierTests {
  /// How many violations a lie makes.
  enum Extent: Sendable {
    case once
    /// At both ends of the guard of every area that is allocated.
    case everyAllocation
    /// In every page of every area that is freed.
    case everyFree
  }

  private static let expected: [(LyingMachine.Lie, Violation.Kind, Extent)] = [
    (.dropsOneStore, .wrongValue, .once),
    (.flipsOneBit, .wrongValue, .once),
    (.losesOnePage, .loadFaulted, .once),
    (.readsGuards, .guardReadable, .everyAllocation),
    (.writesGuards, .guardWritable, .everyAllocation),
    (.keepsStaleLoads, .freedReadable, .everyFree),
    (.keepsStaleStores, .freedWritable, .everyFree),
  ]

  private func print(_ lie: LyingMachine.Lie) throws -> JobPrint {
    var machine = try LyingMachine(lie)
    return try JobPrint(try Recording.opening(events: 200), on: &machine, machine.computer.manager)
  }

  @Test(arguments: expected)
  func seesALie(lie: LyingMachine.Lie, kind: Violation.Kind, extent: Extent) throws {
    let print = try print(lie)
    #expect(print.outcome == .failed && print.outcome.exitStatus == 1)
    #expect(print.values["verdict"] == "fail")
    let count =
      switch extent {
      case .once: 1
      case .everyAllocation: 2 * (try #require(print.value("areas.total")))
      case .everyFree: try #require(print.value("touches.freed")) / 2
      }
    #expect(count > 0 && print.value("violations") == count)
    #expect(print.text.contains("the first violation: \(kind.name): 0xffff"))
    #expect(print.text.hasSuffix("\nFAIL\n"))
  }

  /// A store that faults is one violation, and the word that it did not write another.
  @Test func seesAStoreThatFaults() throws {
    let print = try print(.refusesOneStore)
    #expect(print.outcome == .failed)
    #expect(print.value("violations") == 2)
    #expect(print.text.contains("the first violation: \(Violation.Kind.storeFaulted.name): 0xffff"))
  }

  @Test func everyLieIsTold() {
    #expect(Set(Self.expected.map(\.0)).union([.refusesOneStore]) == Set(LyingMachine.Lie.allCases))
  }

  /// Somebody else who uses the manager meanwhile is seen in its counters.
  @Test func seesWhatItDidNotDo() throws {
    var machine = try MeddlingMachine(.allocates)
    let print = try JobPrint(try Recording.opening(events: 20), on: &machine, machine.computer.manager)
    #expect(print.outcome == .failed)
    #expect(print.value("violations") == 2)
    #expect(print.text.contains("the first violation: \(Violation.Kind.countersWrong.name), expected 0x"))
  }

  /// An area that somebody else freed is gone: its words fault, and its free is refused, which ends the run.
  @Test func seesWhatSomebodyElseFreed() throws {
    var machine = try MeddlingMachine(.frees)
    let text = Line.alloc + Line.prefix() + "sched_wakeup: pid=1\n" + Line.free(0xffff_ffff_c033_1000)
    let print = try JobPrint(Array(text.utf8), on: &machine, machine.computer.manager)
    #expect(print.outcome == .failed)
    #expect(print.text.contains("\nline 3: vfree was refused: not allocated\n"))
    #expect(
      print.text.contains("the first violation: \(Violation.Kind.loadFaulted.name): 0xffffffffc0331000"))
    #expect(print.value("laps") == 0 && print.value("areas.live") == 1)
  }

  /// A run of the same machine that does not lie passes, so that it is the lie that was seen.
  @Test func anHonestMachinePasses() throws {
    let print = try JobPrint(try Recording.opening(events: 200))
    #expect(print.outcome == .passed && print.value("areas.freed") ?? 0 > 10)
  }

  /// The words of a page differ from those of every other page, so that two pages on one frame are seen.
  @Test func noTwoPagesHaveTheSamePattern() {
    var machine = RecordingMachine()
    var verifier = Verifier()
    for ordinal in 0..<50 as Range<UInt64> {
      var area = LiveArea(recorded: 4096, byteCount: 9 * 4096, line: 1)
      area.ordinal = ordinal
      area.address = 0x10_0000 * (ordinal + 1)
      verifier.fill(area, line: 1, on: &machine)
    }
    #expect(verifier.wordsWritten == 50 * 8 * 4)
    #expect(Set(machine.words.values).count == machine.words.count)
    #expect(Set(machine.words.keys.map { $0 & 0xfff }).count > 100)
    #expect(machine.words.keys.filter { $0 & 0xfff == 0 }.count == 400)
    #expect(machine.words.keys.filter { $0 & 0xfff == 0xff8 }.count == 400)
    #expect(machine.words.keys.allSatisfy { $0 % 8 == 0 })
  }
}

/// Keeps what is stored.
private struct RecordingMachine: JobMachine {
  var words: [UInt64: UInt64] = [:]

  mutating func store(_ value: UInt64, at address: VirtualAddress) -> Bool {
    words[address.rawValue] = value
    return true
  }

  mutating func load(_ address: VirtualAddress) -> UInt64? { words[address.rawValue] }
}
