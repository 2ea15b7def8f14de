import MachineSimulator
import Testing

@testable import KernelMemory

/// A program, the steps at which CPUs change, and the schedules that were there in each mode.
struct ScheduleCase: CustomTestStringConvertible, Sendable {
  let name: String
  let make: @Sendable (FreeMode) throws -> Play
  let points: StepSet
  var preemptions: Int?
  /// Strict, lazy, warm.
  let schedules: [Int]

  var testDescription: String { name }
}

extension ScheduleCase {
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
    Self(name: "pair", make: Scenarios.pairAgainstForeignFree, points: few, schedules: [1_500, 160, 2]),
    Self(name: "two frees", make: Scenarios.twoFreesAtOnce, points: few, schedules: [1_000, 120, 2]),
    Self(name: "frame", make: Scenarios.readerOfFreedFrame, points: .freeing, schedules: [50, 20, 4]),
    Self(name: "reader", make: Scenarios.readerOfEmptiedTable, points: .order, schedules: [20, 6, 2]),
    Self(
      name: "double free", make: { try Scenarios.doubleFree($0) }, points: .order, schedules: [40, 15, 2]),
    Self(
      name: "double free of a large area", make: { try Scenarios.doubleFree($0, pages: 70) }, points: .order,
      schedules: [40, 15, 15]),
    Self(name: "re-used", make: Scenarios.freeOfReusedDescriptor, points: reuse, schedules: [5, 5, 4]),
    Self(
      name: "handing over", make: { try Scenarios.handingOver($0) }, points: .order, schedules: [100, 20, 4]),
    Self(
      name: "look-ups", make: Scenarios.lookUpsOfReusedDescriptor, points: reuse, schedules: [60, 60, 60]),
    Self(
      name: "freed node", make: Scenarios.lookUpInFreedNode, points: StepSet(.nodeFound, .rangeFreed),
      schedules: [2, 4, 2]),
    Self(
      name: "look-up, removal", make: Scenarios.lookUpBesideRemoval,
      points: StepSet(.nodeFound, .flushRequested), schedules: [2, 2, 2]),
    Self(name: "unmap", make: Scenarios.unmapAgainstMap, points: .order, schedules: [60, 60, 60]),
    Self(name: "map, unmap", make: Scenarios.mapBesideUnmap, points: .order, schedules: [10, 10, 10]),
    Self(
      name: "buddies", make: Scenarios.buddiesComeAndGo, points: StepSet(.lockReleased), schedules: [6, 6, 6]),
    Self(name: "protection", make: Scenarios.otherProtection, points: .order, schedules: [1, 1, 1]),
    Self(name: "cleared", make: Scenarios.clearedAfterDirty, points: .order, schedules: [1, 1, 1]),
    Self(name: "guards", make: Scenarios.guards, points: .order, schedules: [1, 1, 1]),
    Self(name: "1 GiB", make: Scenarios.gigabyteOfADevice, points: .order, schedules: [1, 1, 1]),
    Self(name: "types", make: Scenarios.typeChanges, points: .order, schedules: [1, 1, 1]),
    Self(name: "table", make: Scenarios.tableComesBack, points: .order, schedules: [1, 1, 1]),
    Self(
      name: "slabs", make: { _ in try Scenarios.slabsComeBack(.none) }, points: .order, schedules: [1, 1, 1]),
  ]

  static let bounded = [
    Self(
      name: "asleep", make: Scenarios.readerOfSleepingArea, points: .all, preemptions: 1,
      schedules: [20, 20, 10]),
    Self(
      name: "pair", make: Scenarios.pairAgainstForeignFree, points: .all, preemptions: 1,
      schedules: [120, 60, 20]),
    Self(
      name: "two frees", make: Scenarios.twoFreesAtOnce, points: .all, preemptions: 1,
      schedules: [80, 30, 10]),
    Self(
      name: "joining", make: Scenarios.joiningLate, points: few, preemptions: 1, schedules: [100, 45, 6]),
    Self(
      name: "joining in a drain", make: Scenarios.joiningInADrain, points: .all, preemptions: 1,
      schedules: [50, 50, 50]),
    Self(
      name: "map", make: Scenarios.mapBesideMap, points: locks, preemptions: 2, schedules: [100, 100, 100]),
    Self(
      name: "map, makeAreas", make: Scenarios.mapBesideMakeAreas, points: locks, preemptions: 2,
      schedules: [100, 100, 100]),
    Self(
      name: "unmap, makeAreas", make: Scenarios.unmapBesideMakeAreas, points: locks, preemptions: 2,
      schedules: [100, 100, 100]),
    Self(
      name: "leaving both", make: Scenarios.leavingBoth, points: .all, preemptions: 1,
      schedules: [20, 20, 20]),
    Self(name: "leaving", make: Scenarios.leaving, points: .all, preemptions: 1, schedules: [50, 50, 20]),
    Self(
      name: "freed tables", make: Scenarios.freedTables, points: .all, preemptions: 1, schedules: [50, 30, 5]),
    Self(
      name: "unmap, unmap", make: Scenarios.unmapBesideUnmap, points: .all, preemptions: 1,
      schedules: [50, 50, 50]),
    Self(
      name: "re-used", make: Scenarios.freeOfReusedDescriptor, points: unlessLookingUp, preemptions: 2,
      schedules: [150, 20, 10]),
    Self(
      name: "look-ups", make: Scenarios.lookUpsOfReusedDescriptor, points: .all, preemptions: 1,
      schedules: [25, 25, 25]),
    Self(
      name: "unmap", make: Scenarios.unmapAgainstMap, points: .all, preemptions: 2,
      schedules: [250, 250, 250]),
    Self(
      name: "removal, vmalloc", make: Scenarios.removalBesideAllocation, points: .all, preemptions: 1,
      schedules: [20, 20, 20]),
    Self(
      name: "removal, kmalloc", make: Scenarios.removalOfTagBesideAllocation, points: .all, preemptions: 2,
      schedules: [20, 20, 20]),
    Self(name: "shortage", make: Scenarios.shortage, points: few, preemptions: 1, schedules: [15, 15, 15]),
    Self(
      name: "purge", make: Scenarios.purgeAgainstFree, points: .order, preemptions: 1,
      schedules: [25, 15, 15]),
    Self(
      name: "large leaves", make: Scenarios.largeLeaves, points: .order, preemptions: 1,
      schedules: [20, 10, 2]),
    Self(
      name: "waking, drain", make: Scenarios.wakingBesideADrain, points: .order, preemptions: 2,
      schedules: [100, 50, 20]),
    Self(
      name: "re-used mapping", make: Scenarios.unmapOfReusedMapping, points: StepSet(.interruptsEnabled),
      preemptions: 3,
      schedules: [400, 180, 180]),
    Self(
      name: "vmap, vmap", make: Scenarios.vmapBesideVmap, points: .order, preemptions: 1,
      schedules: [20, 10, 10]),
    Self(
      name: "borrowed frame", make: Scenarios.readerOfBorrowedFrame, points: .order, schedules: [10, 10, 10]),
    Self(
      name: "three operations", make: Scenarios.threeOperations, points: few, preemptions: 1,
      schedules: [50, 50, 6]),
  ]

  /// Programs that make tables, empty them, and take them away.
  static let deep = named("reader", "map, unmap", "freed tables")

  static let moving = [
    Self(
      name: "moving vfree", make: Scenarios.movingFree, points: .order, preemptions: 2, schedules: [1, 1, 1]),
    Self(
      name: "moving unmap", make: Scenarios.movingUnmap, points: .order, preemptions: 2, schedules: [1, 1, 1]),
    Self(
      name: "moving vunmap", make: Scenarios.movingVunmap, points: .order, preemptions: 2,
      schedules: [1, 1, 1]),
  ]

  /// Those of the programs above that have these names, which must be there, each once.
  private static func named(_ names: String...) -> [Self] {
    names.map { name in
      let found = (complete + bounded).filter { $0.name == name }
      precondition(found.count == 1, "\(found.count) programs have the name \(name)")
      return found[0]
    }
  }

  /// Callers that change CPUs each time their interrupts come on.
  static let restless = [
    Self(
      name: "never staying", make: Scenarios.callersThatNeverStay, points: StepSet(.interruptsEnabled),
      preemptions: 1, schedules: [10, 10, 10])
  ]
}
