@unsafe @preconcurrency internal import CMachine

/// The machines that are told of each store to a page-table entry.
enum EntryWatch {
  private static let machines = MachinesByAddress()

  /// `machine` must call `remove` before it ends.
  static func add(_ machine: SimulatedMachine) {
    machines.add(machine) { cmachine_set_entry_hook { EntryWatch.entryWasStored(at: UInt($0)) } }
  }

  static func remove(_ machine: SimulatedMachine) {
    machines.remove(machine) { cmachine_set_entry_hook(nil) }
  }

  private static func entryWasStored(at address: UInt) {
    guard let (machine, address) = machines.machine(at: address) else { return }
    machine.entryWasStored(at: address)
    Step.entryStored.take()
  }
}
