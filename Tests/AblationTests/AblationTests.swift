#if Ablations
import Foundation
import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// Each mistake that the core can be told to make is found by the scenario named here, which finds nothing
/// where none is made. The scenarios are those of `ScheduledCoreTests`.
@Suite(.serialized) struct AblationTests {
  struct Finder {
    let name: String
    var play: Play
    let points: StepSet
    var preemptions = 3
    /// Where every schedule is too many.
    var seeds: Range<UInt64>?

    func run(atMost limit: Int) throws {
      if let seeds {
        try play.random(seeds: seeds)
      } else {
        try play.exhaustive(at: allPoints, preemptions: preemptions, atMost: limit)
      }
    }

    /// What is asked of all CPUs is asked before they flush, and where flushes are broadcast, after that.
    private var allPoints: StepSet {
      play.stage.test.simulated.hardware.broadcastsFlushes ? points.union(StepSet(.flushBegun)) : points
    }

    /// The same, on a machine whose CPUs see each other's stores late.
    func with(_ order: MemoryOrder) -> Finder {
      var finder = self
      finder.play.memoryOrder = order
      return finder
    }

    /// The same, on a machine whose MMUs do more than accesses ask for.
    func with(_ speculation: Speculation) -> Finder {
      var finder = self
      finder.play.speculation = speculation
      return finder
    }
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
    case .returnSlabDirectly:
      Finder(
        name: "freeAcrossReturnOfSlab", play: try Scenarios.freeAcrossReturnOfSlab(.none),
        points: StepSet(.objectFound))
    case .returnIndexNodeDirectly:
      Finder(
        name: "lookUpInFreedNode", play: try Scenarios.lookUpInFreedNode(.lazy), points: StepSet(.nodeFound))
    case .followQuarantined:
      Finder(
        name: "freedTables", play: try Scenarios.freedTables(.strict),
        points: StepSet(.entryFound, .framesFreed, .flushConfirmed, .access))
    case .joinUnanswered:
      Finder(name: "joiningInADrain", play: try Scenarios.joiningInADrain(.lazy), points: .all)
    case .mapLooksEarly:
      Finder(
        name: "mapBesideMakeAreas", play: try Scenarios.mapBesideMakeAreas(.lazy),
        points: ScheduleCase.locks)
    case .mapOverQuarantined:
      Finder(name: "mapBesideUnmap", play: try Scenarios.mapBesideUnmap(.lazy), points: .order)
    case .stripBeforeFlush:
      Finder(name: "readerOfSleepingArea", play: try Scenarios.readerOfSleepingArea(.lazy), points: seen)
    case .clearFreedTable:
      Finder(name: "tableComesBack", play: try Scenarios.tableComesBack(.strict), points: .order)
    case .readReturnedSlab:
      Finder(name: "slabsComeBack", play: try Scenarios.slabsComeBack(.none), points: .order)
    case .forgetToClean:
      Finder(name: "typeChanges", play: try Scenarios.typeChanges(.strict), points: .order)
    case .unsupportedLeaf:
      Finder(name: "gigabyteOfADevice", play: try Scenarios.gigabyteOfADevice(.strict), points: .order)
    case .mapGuard: Finder(name: "guards", play: try Scenarios.guards(.strict), points: .order)
    case .leafInTwoStores:
      Finder(name: "guards", play: try Scenarios.guards(.strict), points: .order).with(.greedy)
    case .linkBeforeZero:
      Finder(name: "newTable", play: try Scenarios.newTable(.strict), points: .order).with(.greedy)
    case .splitLinksFirst:
      // Each of 512 stores is a step.
      Finder(
        name: "readerOfSplitLeaf", play: try Scenarios.readerOfSplitLeaf(.strict), points: .all,
        seeds: 0..<40
      ).with(.forgetful)
    case .forgetAfterMap:
      Finder(
        name: "mappedWhereAbsent", play: try Scenarios.mappedWhereAbsent(.lazy), points: .order)
    case .tablesWithoutFlush:
      Finder(
        name: "tableWithoutItsPages", play: try Scenarios.tableWithoutItsPages(.lazy), points: .order
      ).with(.greedy)
    case .rangesForTables:
      Finder(
        name: "tableWithoutItsPages", play: try on(riscv64) { try Scenarios.tableWithoutItsPages(.lazy) },
        points: .order
      ).with(.greedy)
    case .largeLeafOverTable:
      Finder(
        name: "largeLeafOverTable", play: try Scenarios.largeLeafOverTable(.lazy),
        points: StepSet(.access))
    case .readOnlyLinearMap:
      Finder(name: "guards", play: try Scenarios.guards(.strict), points: .order)
    case .confirmBeforeFlush:
      Finder(
        name: "readerOfFreedFrame", play: try Scenarios.readerOfFreedFrame(.strict),
        points: StepSet(.flushConfirmed, .framesFreed, .access))
    case .forgetOldestRequest:
      Finder(name: "deafCPU", play: try Scenarios.deafCPU(requests: 17), points: .order)
    case .joinAfterFlush:
      Finder(
        name: "joiningLate", play: try Scenarios.joiningLate(.strict), points: .all, seeds: 0..<200
      ).with(.greedy)
    case .unlockedRequests:
      Finder(
        name: "requestsWhileServing", play: try Scenarios.requestsWhileServing(),
        points: StepSet(.requestRead, .flushRequested), preemptions: 1)
    case .serveInNMI:
      Finder(
        name: "nmiWhileAsked", play: try Scenarios.nmiWhileAsked(),
        points: StepSet(.entriesWritten, .flushRequested))
    case .relaxedLocks:
      Finder(
        name: "buddiesComeAndGo", play: try Scenarios.buddiesComeAndGo(.lazy),
        points: StepSet(.lockReleased, .lockWanted)
      ).with(.reversed)
    case .relaxedAreas:
      Finder(
        name: "lookUpsOfNewArea", play: try Scenarios.lookUpsOfNewArea(.lazy),
        points: StepSet(.areaPublished, .access)
      ).with(.reversed)
    case .unmarkedLookups:
      Finder(name: "walkerOfFreedTable", play: try Scenarios.walkerOfFreedTable(.strict), points: .order)
    case .unfencedLookups:
      Finder(
        name: "lookUpInFreedNodeWithBroadcasts", play: try Scenarios.lookUpInFreedNodeWithBroadcasts(.lazy),
        points: StepSet(.nodeFound)
      ).with(.delayed)
    case .ignoreEpochs:
      Finder(
        name: "lookUpInFreedNodeWithBroadcasts", play: try Scenarios.lookUpInFreedNodeWithBroadcasts(.lazy),
        points: StepSet(.nodeFound))
    case .waitForThisCPU:
      Finder(
        name: "movingFree", play: try Scenarios.movingFree(.strict), points: .order, preemptions: 2)
    case .shortFlush:
      Finder(name: "readerOfLastPage", play: try Scenarios.readerOfLastPage(.strict), points: seen)
    case .splitLive:
      Finder(
        name: "partOfLargeLeaf", play: try on(aarch64) { try Scenarios.partOfLargeLeaf(.strict) },
        points: .order)
    case .clearFlags, .runsOfOne:
      Finder(name: "guards", play: try on(aarch64) { try Scenarios.guards(.strict) }, points: .order)
    case .earlyCPUNumber:
      Finder(name: "movingCallers", play: try Scenarios.movingCallers(.lazy), points: .order)
    }
  }

  static let aarch64 = Hardware.aarch64(granule: .size4K)
  static let riscv64 = Hardware.riscv64(levels: 5)

  /// A play on a machine of some hardware, unless another than x86-64 was asked for.
  private static func on(_ hardware: Hardware, _ make: () throws -> Play) throws -> Play {
    if Stage.hardware.architecture != .x86_64 { return try make() }
    return try Stage.$hardware.withValue(hardware, operation: make)
  }

  /// Every one there is; `VMALLOC_MISTAKES=dropFlush,mapGuard` is for those alone.
  static let mistakes = (0..<UInt8.max).compactMap(Ablation.init(rawValue:)).filter { mistake in
    guard let names = getenv("VMALLOC_MISTAKES") else { return true }
    return String(cString: names).split(separator: ",").contains("\(mistake)")
  }

  @Test(arguments: mistakes) func isFound(mistake: Ablation) throws {
    var finder = try Self.finder(of: mistake)
    try finder.run(atMost: 200)
    Ablation.selected = mistake
    defer { Ablation.selected = nil }
    // Made while the machine is started.
    if mistake == .readOnlyLinearMap { finder = try Self.finder(of: mistake) }
    expectFound(mistake, by: finder)
  }

  /// What each architecture has of its own: broadcasts, walkers that see no entry before a barrier, flushes
  /// by address; absent entries that are remembered, and flags that fault.
  @Test(arguments: [
    (aarch64, Ablation.dropFlush), (aarch64, .shortFlush), (aarch64, .forgetAfterMap),
    (aarch64, .tablesWithoutFlush), (aarch64, .freeTableBeforeFlush), (aarch64, .recycleRangeBeforeFlush),
    (riscv64, .shortFlush),
    (aarch64, .forgetToClean), (riscv64, .dropFlush), (riscv64, .forgetAfterMap), (riscv64, .clearFlags),
    (riscv64, .freeTableBeforeFlush), (riscv64, .forgetToClean),
  ])
  func isFoundOnOtherArchitectures(hardware: Hardware, mistake: Ablation) throws {
    try Stage.$hardware.withValue(hardware) {
      let finder = try Self.finder(of: mistake)
      try finder.run(atMost: 200)
      Ablation.selected = mistake
      defer { Ablation.selected = nil }
      expectFound(mistake, by: finder)
    }
  }

  private func expectFound(_ mistake: Ablation, by finder: Finder) {
    let failure = #expect(throws: ScheduleFailure.self) { try finder.run(atMost: 20_000) }
    // Said, not only counted: by what the mistake was seen.
    if let failure { print("\(mistake) is found by \(finder.name): \(failure.cause)") }
  }

  /// Some are seen because the machine looks for them, in the same program: uses of frames that are hidden,
  /// and accesses of two types.
  @Test(arguments: [Ablation.clearFreedTable, .readReturnedSlab, .forgetToClean])
  func isNotFoundByAMachineThatDoesNotLook(mistake: Ablation) throws {
    var finder = try Self.finder(of: mistake)
    finder.play.hidesFreeFrames = false
    finder.play.stage.test.simulated.typeConflictsAreFaults = false
    Ablation.selected = mistake
    defer { Ablation.selected = nil }
    try finder.run(atMost: 20_000)
  }

  /// What programs of other kinds of areas are for: each finds a mistake of its kind.
  @Test(arguments: [
    ("large leaves", Ablation.dropFlush), ("waking, drain", .stripBeforeFlush),
    ("vmap, vmap", .dropFlush),
    ("borrowed frame", .flushLocalOnly), ("never staying", .recycleRangeBeforeFlush),
  ])
  func isFoundInOtherKindsOfAreas(name: String, mistake: Ablation) throws {
    let cases = ScheduleCase.bounded + ScheduleCase.restless
    let test = try #require(cases.first { $0.name == name })
    let finder = Finder(
      name: name, play: try test.make(.lazy), points: test.points, preemptions: test.preemptions ?? 2)
    Ablation.selected = mistake
    defer { Ablation.selected = nil }
    expectFound(mistake, by: finder)
  }

  /// Every wait for a flush is for a number that its caller carries.
  @Test(arguments: ScheduleCase.moving) func aWaitForThisCPUIsFound(_ test: ScheduleCase)
    throws
  {
    let finder = Finder(
      name: test.name, play: try test.make(.strict), points: test.points, preemptions: test.preemptions ?? 3)
    Ablation.selected = .waitForThisCPU
    defer { Ablation.selected = nil }
    expectFound(.waitForThisCPU, by: finder)
  }
}
#endif
