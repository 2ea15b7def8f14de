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
      schedules: [900, 850, 2]),
    Self(
      name: "two frees", make: broadcasting(Scenarios.twoFreesAtOnce), points: few,
      schedules: [900, 850, 2]),
    Self(
      name: "frame", make: broadcasting(Scenarios.readerOfFreedFrame), points: .freeing,
      schedules: [450, 190, 4]),
    Self(
      name: "reader", make: broadcasting(Scenarios.readerOfEmptiedTable), points: .order,
      schedules: [7, 6, 6]),
    Self(
      name: "look-ups", make: broadcasting(Scenarios.lookUpsOfReusedDescriptor),
      points: reuse, schedules: [320, 600, 350]),
    Self(
      name: "freed node", make: Scenarios.lookUpInFreedNodeWithBroadcasts,
      points: StepSet(.nodeFound, .rangeFreed), schedules: [5, 60, 60]),
    Self(
      name: "look-up, removal", make: broadcasting(Scenarios.lookUpBesideRemoval),
      points: StepSet(.nodeFound, .flushRequested), schedules: [9, 9, 9]),
    Self(
      name: "freed tables", make: broadcasting(Scenarios.freedTables), points: .all, preemptions: 1,
      schedules: [900, 900, 900]),
    Self(
      name: "joining", make: broadcasting(Scenarios.joiningLate), points: few,
      preemptions: 1, schedules: [130, 65, 28]),
    Self(
      name: "leaving", make: broadcasting(Scenarios.leaving), points: .all, preemptions: 1,
      schedules: [175, 160, 150]),
    Self(
      name: "removal, kmalloc", make: broadcasting(Scenarios.removalOfTagBesideAllocation), points: .all,
      preemptions: 1, schedules: [34, 34, 34]),
  ]
}
