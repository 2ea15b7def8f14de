#if Ablations
import MachineSimulator
import Testing

@testable import KernelMemory

/// Each mistake that the core can be told to make is found by the scenario named here, which finds nothing
/// where none is made. The scenarios are those of `ScheduledCoreTests`.
@Suite(.serialized) struct AblationTests {
  struct Finder {
    let name: String
    let play: Play
    let points: StepSet
  }

  static func finder(of mistake: Ablation) throws -> Finder {
    let seen = StepSet(.entriesCleared, .flushRequested, .framesFreed, .access)
    return switch mistake {
    case .dropFlush, .flushLocalOnly, .skipFlushGeneration:
      Finder(name: "twoFreesAtOnce", play: try Scenarios.twoFreesAtOnce(.strict), points: seen)
    case .freeFramesBeforeFlush:
      Finder(name: "readerOfFreedFrame", play: try Scenarios.readerOfFreedFrame(.strict), points: seen)
    case .recycleRangeBeforeFlush:
      Finder(
        name: "pairAgainstForeignFree", play: try Scenarios.pairAgainstForeignFree(.strict), points: .order)
    case .freeTableBeforeFlush:
      Finder(name: "readerOfEmptiedTable", play: try Scenarios.readerOfEmptiedTable(.strict), points: seen)
    case .skipAreaGeneration:
      Finder(
        name: "freeOfReusedDescriptor", play: try Scenarios.freeOfReusedDescriptor(.warm),
        points: StepSet(.areaFound, .access))
    case .warmAcrossProtections:
      Finder(name: "otherProtection", play: try Scenarios.otherProtection(.warm), points: .order)
    case .forgetToClear:
      Finder(name: "clearedAfterDirty", play: try Scenarios.clearedAfterDirty(.warm), points: .order)
    case .returnSlabAtOnce:
      Finder(
        name: "freeAcrossReturnOfSlab", play: try Scenarios.freeAcrossReturnOfSlab(.none),
        points: StepSet(.objectFound))
    case .returnIndexNodeAtOnce:
      Finder(
        name: "lookUpInFreedNode", play: try Scenarios.lookUpInFreedNode(.lazy), points: StepSet(.nodeFound))
    case .endRangeAtOnce:
      Finder(
        name: "lookUpBesideRemoval", play: try Scenarios.lookUpBesideRemoval(.lazy),
        points: StepSet(.nodeFound))
    case .followQuarantined:
      Finder(
        name: "freedTables", play: try Scenarios.freedTables(.strict),
        points: StepSet(.entryFound, .framesFreed, .flushConfirmed, .access))
    case .joinUnanswered:
      Finder(name: "joiningInADrain", play: try Scenarios.joiningInADrain(.lazy), points: .all)
    case .mapLooksEarly:
      Finder(
        name: "mapBesideMakeAreas", play: try Scenarios.mapBesideMakeAreas(.lazy),
        points: ScheduledCoreTests.locks)
    case .mapOverQuarantined:
      Finder(name: "mapBesideUnmap", play: try Scenarios.mapBesideUnmap(.lazy), points: .order)
    case .mapGuard: Finder(name: "guards", play: try Scenarios.guards(.strict), points: .order)
    }
  }

  /// Every one there is.
  static let mistakes = (0..<UInt8.max).compactMap(Ablation.init(rawValue:))

  @Test(arguments: mistakes) func isFound(mistake: Ablation) throws {
    let finder = try Self.finder(of: mistake)
    let report = try finder.play.exhaustive(at: finder.points, preemptions: 3, atMost: 2_000)
    #expect(report.schedules >= 1)
    Ablation.selected = mistake
    defer { Ablation.selected = nil }
    let failure = #expect(throws: ScheduleFailure.self) {
      try finder.play.exhaustive(at: finder.points, preemptions: 3, atMost: 20_000)
    }
    // Said, not only counted: by what the mistake was seen.
    if let failure { print("\(mistake) is found by \(finder.name): \(failure.cause)") }
  }
}
#endif
