import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// The core under every schedule of small programs, with a lower bound of how many there are: a program
/// that explores less than it did has lost its point.
@Suite struct ScheduledCoreTests {
  /// A program, the steps at which CPUs change, and the schedules that were there in each mode.
  struct Case: CustomTestStringConvertible, Sendable {
    let name: String
    let make: @Sendable (FreeMode) throws -> Play
    let points: StepSet
    var preemptions: Int?
    /// Strict, lazy, warm.
    let schedules: [Int]

    var testDescription: String { name }
  }

  static let modes: [FreeMode] = [.strict, .lazy, .warm]
  /// What another CPU can see of a free, at the least.
  static let few = StepSet(.entriesCleared, .flushRequested, .framesFreed)
  /// What matters to whoever has found a descriptor and not yet looked at it.
  static let reuse = StepSet(
    .areaFound, .entryFound, .entriesWritten, .entriesCleared, .framesFreed, .rangeFreed)

  /// What is decided under locks.
  static let locks = StepSet(.lockWanted, .lockReleased, .entriesWritten, .interruptsEnabled)

  /// For programs that know whose an address is from the moment on at which a free of it begins.
  static let unlessLookingUp = StepSet.all.subtracting(StepSet(.nodeFound))

  static let complete = [
    Case(name: "pair", make: Scenarios.pairAgainstForeignFree, points: few, schedules: [1_500, 160, 2]),
    Case(name: "two frees", make: Scenarios.twoFreesAtOnce, points: few, schedules: [1_000, 120, 2]),
    Case(name: "frame", make: Scenarios.readerOfFreedFrame, points: .freeing, schedules: [50, 20, 4]),
    Case(name: "reader", make: Scenarios.readerOfEmptiedTable, points: .order, schedules: [20, 6, 2]),
    Case(
      name: "double free", make: { try Scenarios.doubleFree($0) }, points: .order, schedules: [40, 15, 2]),
    Case(
      name: "double free of a large area", make: { try Scenarios.doubleFree($0, pages: 70) }, points: .order,
      schedules: [40, 15, 15]),
    Case(name: "re-used", make: Scenarios.freeOfReusedDescriptor, points: reuse, schedules: [5, 5, 4]),
    Case(
      name: "handing over", make: { try Scenarios.handingOver($0) }, points: .order, schedules: [100, 20, 4]),
    Case(
      name: "look-ups", make: Scenarios.lookUpsOfReusedDescriptor, points: reuse, schedules: [60, 60, 60]),
    Case(
      name: "freed node", make: Scenarios.lookUpInFreedNode, points: StepSet(.nodeFound, .rangeFreed),
      schedules: [2, 4, 2]),
    Case(
      name: "look-up, removal", make: Scenarios.lookUpBesideRemoval,
      points: StepSet(.nodeFound, .flushRequested), schedules: [2, 2, 2]),
    Case(name: "unmap", make: Scenarios.unmapAgainstMap, points: .order, schedules: [60, 60, 60]),
    Case(name: "map, unmap", make: Scenarios.mapBesideUnmap, points: .order, schedules: [10, 10, 10]),
    Case(
      name: "buddies", make: Scenarios.buddiesComeAndGo, points: StepSet(.lockReleased), schedules: [6, 6, 6]),
    Case(name: "protection", make: Scenarios.otherProtection, points: .order, schedules: [1, 1, 1]),
    Case(name: "cleared", make: Scenarios.clearedAfterDirty, points: .order, schedules: [1, 1, 1]),
    Case(name: "guards", make: Scenarios.guards, points: .order, schedules: [1, 1, 1]),
    Case(name: "1 GiB", make: Scenarios.gigabyteOfADevice, points: .order, schedules: [1, 1, 1]),
    Case(name: "types", make: Scenarios.typeChanges, points: .order, schedules: [1, 1, 1]),
    Case(name: "table", make: Scenarios.tableComesBack, points: .order, schedules: [1, 1, 1]),
    Case(
      name: "slabs", make: { _ in try Scenarios.slabsComeBack(.none) }, points: .order, schedules: [1, 1, 1]),
  ]

  @Test(arguments: complete, modes) func everySchedule(_ test: Case, mode: FreeMode) throws {
    try run(test, mode)
  }

  static let bounded = [
    Case(
      name: "asleep", make: Scenarios.readerOfSleepingArea, points: .all, preemptions: 1,
      schedules: [20, 20, 10]),
    Case(
      name: "pair", make: Scenarios.pairAgainstForeignFree, points: .all, preemptions: 1,
      schedules: [120, 60, 20]),
    Case(
      name: "two frees", make: Scenarios.twoFreesAtOnce, points: .all, preemptions: 1,
      schedules: [80, 30, 10]),
    Case(
      name: "joining", make: Scenarios.joiningLate, points: few, preemptions: 1, schedules: [100, 45, 6]),
    Case(
      name: "joining in a drain", make: Scenarios.joiningInADrain, points: .all, preemptions: 1,
      schedules: [50, 50, 50]),
    Case(
      name: "map", make: Scenarios.mapBesideMap, points: locks, preemptions: 2, schedules: [100, 100, 100]),
    Case(
      name: "map, makeAreas", make: Scenarios.mapBesideMakeAreas, points: locks, preemptions: 2,
      schedules: [100, 100, 100]),
    Case(
      name: "unmap, makeAreas", make: Scenarios.unmapBesideMakeAreas, points: locks, preemptions: 2,
      schedules: [100, 100, 100]),
    Case(
      name: "leaving both", make: Scenarios.leavingBoth, points: .all, preemptions: 1,
      schedules: [20, 20, 20]),
    Case(name: "leaving", make: Scenarios.leaving, points: .all, preemptions: 1, schedules: [50, 50, 20]),
    Case(
      name: "freed tables", make: Scenarios.freedTables, points: .all, preemptions: 1, schedules: [50, 30, 5]),
    Case(
      name: "unmap, unmap", make: Scenarios.unmapBesideUnmap, points: .all, preemptions: 1,
      schedules: [50, 50, 50]),
    Case(
      name: "re-used", make: Scenarios.freeOfReusedDescriptor, points: unlessLookingUp, preemptions: 2,
      schedules: [150, 20, 10]),
    Case(
      name: "look-ups", make: Scenarios.lookUpsOfReusedDescriptor, points: .all, preemptions: 1,
      schedules: [25, 25, 25]),
    Case(
      name: "unmap", make: Scenarios.unmapAgainstMap, points: .all, preemptions: 2,
      schedules: [250, 250, 250]),
    Case(
      name: "removal, vmalloc", make: Scenarios.removalBesideAllocation, points: .all, preemptions: 1,
      schedules: [20, 20, 20]),
    Case(
      name: "removal, kmalloc", make: Scenarios.removalOfTagBesideAllocation, points: .all, preemptions: 2,
      schedules: [20, 20, 20]),
    Case(name: "shortage", make: Scenarios.shortage, points: few, preemptions: 1, schedules: [15, 15, 15]),
    Case(
      name: "purge", make: Scenarios.purgeAgainstFree, points: .order, preemptions: 1,
      schedules: [25, 15, 15]),
    Case(
      name: "three operations", make: Scenarios.threeOperations, points: few, preemptions: 1,
      schedules: [50, 50, 6]),
  ]

  /// What is too much to exhaust: every schedule with so many preemptions.
  @Test(arguments: bounded, modes) func everyScheduleWithFewPreemptions(_ test: Case, mode: FreeMode) throws {
    try run(test, mode)
  }

  /// Programs that make tables, empty them, and take them away.
  static let deep = [
    Case(name: "reader", make: Scenarios.readerOfEmptiedTable, points: .order, schedules: [20, 6, 2]),
    Case(name: "map, unmap", make: Scenarios.mapBesideUnmap, points: .order, schedules: [10, 10, 10]),
    Case(
      name: "freed tables", make: Scenarios.freedTables, points: .all, preemptions: 1, schedules: [50, 30, 5]),
  ]

  @Test(arguments: deep, modes) func everyScheduleWithFiveLevels(_ test: Case, mode: FreeMode) throws {
    var hardware = Hardware()
    hardware.pagingLevels = 5
    try Stage.$hardware.withValue(hardware) { try run(test, mode) }
  }

  static let moving = [
    Case(
      name: "moving vfree", make: Scenarios.movingFree, points: .order, preemptions: 2, schedules: [1, 1, 1]),
    Case(
      name: "moving unmap", make: Scenarios.movingUnmap, points: .order, preemptions: 2, schedules: [1, 1, 1]),
    Case(
      name: "moving vunmap", make: Scenarios.movingVunmap, points: .order, preemptions: 2,
      schedules: [1, 1, 1]),
  ]

  /// Where a caller is moved to another CPU once, wherever that is possible.
  @Test(arguments: moving, modes) func everyScheduleWithAMove(_ test: Case, mode: FreeMode) throws {
    try run(test, mode)
  }

  /// With an NMI in the middle of the walk that serves flushes, as far as it may.
  @Test func aWalkerOfAFreedTable() throws {
    let play = try Scenarios.walkerOfFreedTable(.strict)
    let report = try play.exhaustive(at: .order, preemptions: 2, atMost: 2_000)
    print("walker of a freed table: \(report)")
    #expect(report.schedules >= 20)
  }

  private func run(_ test: Case, _ mode: FreeMode) throws {
    let report = try test.make(mode).exhaustive(at: test.points, preemptions: test.preemptions, atMost: 5000)
    print("\(test.name), \(mode): \(report)")
    #expect(report.isComplete)
    #expect(report.schedules >= test.schedules[Int(mode.rawValue)])
  }

  /// Three CPUs, random operations, at all steps. `VMALLOC_SEED=n` runs one seed alone.
  @Test(arguments: RandomTests.seeds(100), modes) func randomSchedules(seed: UInt64, mode: FreeMode) throws {
    try RandomPlay.run(mode, cpuCount: 2 + Int(seed % 2), seed: seed)
  }
}
