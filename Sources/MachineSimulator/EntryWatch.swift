@unsafe @preconcurrency internal import CMachine
internal import KernelMemory
internal import Synchronization

/// The machines that are told of each store to a page-table entry, by the addresses of their RAM in the
/// process.
enum EntryWatch {
  @safe
  private struct Watcher: @unchecked Sendable {
    let addresses: Range<UInt>
    let machine: Unmanaged<SimulatedMachine>
  }

  private static let watchers = Mutex<[Watcher]>([])

  /// `machine` must call `remove` before it ends.
  static func add(_ machine: SimulatedMachine) {
    let start = UInt(machine.memory.base.rawValue)
    let addresses = start..<start + UInt(machine.memory.limit.rawValue)
    let watcher = unsafe Watcher(addresses: addresses, machine: .passUnretained(machine))
    watchers.withLock { $0.append(watcher) }
    cmachine_set_entry_hook { EntryWatch.entryWasStored(at: UInt($0)) }
  }

  static func remove(_ machine: SimulatedMachine) {
    let start = UInt(machine.memory.base.rawValue)
    watchers.withLock { list in
      list.removeAll { $0.addresses.lowerBound == start }
      if list.isEmpty { cmachine_set_entry_hook(nil) }
    }
  }

  private static func entryWasStored(at address: UInt) {
    // Whoever stores into a machine's RAM keeps the machine.
    let found = watchers.withLock { list in list.first { $0.addresses.contains(address) } }
    guard let found else { return }
    let machine = unsafe found.machine.takeUnretainedValue()
    machine.entryWasStored(at: UInt64(address &- found.addresses.lowerBound))
    Step.entryStored.take()
  }
}
