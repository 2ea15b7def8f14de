import MachineSimulator

@testable import KernelMemory

extension Hardware {
  /// Where one CPU's invalidations reach the TLBs of all.
  static var broadcasting: Hardware {
    var hardware = Hardware()
    hardware.broadcastsFlushes = true
    return hardware
  }
}

extension ScheduleCase {
  /// A program on a machine whose flushes are broadcast.
  static func broadcasting(
    _ make: @escaping @Sendable (FreeMode) throws -> Play
  ) -> @Sendable (FreeMode) throws -> Play {
    { mode in try Stage.$hardware.withValue(.broadcasting) { try make(mode) } }
  }

  /// Programs that run on such a machine, too.
  static let broadcasts = [
    Self(
      name: "pair", make: broadcasting(Scenarios.pairAgainstForeignFree), points: few,
      schedules: [60, 40, 2]),
    Self(
      name: "two frees", make: broadcasting(Scenarios.twoFreesAtOnce), points: few,
      schedules: [60, 40, 2]),
    Self(
      name: "frame", make: broadcasting(Scenarios.readerOfFreedFrame), points: .freeing,
      schedules: [20, 10, 4]),
    Self(
      name: "reader", make: broadcasting(Scenarios.readerOfEmptiedTable), points: .order,
      schedules: [6, 3, 2]),
    Self(
      name: "look-ups", make: broadcasting(Scenarios.lookUpsOfReusedDescriptor),
      points: reuse, schedules: [40, 40, 40]),
    Self(
      name: "freed node", make: Scenarios.lookUpInFreedNodeWithBroadcasts,
      points: StepSet(.nodeFound, .rangeFreed), schedules: [2, 2, 2]),
    Self(
      name: "look-up, removal", make: broadcasting(Scenarios.lookUpBesideRemoval),
      points: StepSet(.nodeFound, .flushRequested), schedules: [2, 2, 2]),
    Self(
      name: "freed tables", make: broadcasting(Scenarios.freedTables), points: .all, preemptions: 1,
      schedules: [20, 10, 5]),
    Self(
      name: "joining", make: broadcasting(Scenarios.joiningLate), points: few,
      preemptions: 1, schedules: [20, 10, 6]),
    Self(
      name: "leaving", make: broadcasting(Scenarios.leaving), points: .all, preemptions: 1,
      schedules: [20, 20, 10]),
    Self(
      name: "removal, kmalloc", make: broadcasting(Scenarios.removalOfTagBesideAllocation), points: .all,
      preemptions: 1, schedules: [10, 10, 10]),
  ]
}
