internal import KernelMemory
internal import Synchronization

/// Machines by the addresses of their RAM in the process.
final class MachinesByAddress: Sendable {
  @safe
  private struct Place: @unchecked Sendable {
    let addresses: Range<UInt>
    let machine: Unmanaged<SimulatedMachine>
  }

  private let places = Mutex<[Place]>([])

  /// `machine` must be removed before it ends. `watch` sets the hook of the process, which is there as long
  /// as any machine is: so nobody adds or removes one meanwhile.
  func add(_ machine: SimulatedMachine, watch: () -> Void) {
    let start = UInt(machine.memory.base.rawValue)
    let addresses = start..<start + UInt(machine.memory.limit.rawValue)
    let place = unsafe Place(addresses: addresses, machine: .passUnretained(machine))
    places.withLock { list in
      list.append(place)
      watch()
    }
  }

  /// `endWatch` takes the hook away again, where there is no other machine.
  func remove(_ machine: SimulatedMachine, endWatch: () -> Void) {
    let start = UInt(machine.memory.base.rawValue)
    places.withLock { list in
      list.removeAll { $0.addresses.lowerBound == start }
      if list.isEmpty { endWatch() }
    }
  }

  /// The machine whose RAM is at an address, and the physical address; whoever has such an address keeps the
  /// machine.
  func machine(at address: UInt) -> (machine: SimulatedMachine, physicalAddress: UInt64)? {
    guard let place = places.withLock({ list in list.first { $0.addresses.contains(address) } }) else {
      return nil
    }
    let machine = unsafe place.machine.takeUnretainedValue()
    return (machine, UInt64(address &- place.addresses.lowerBound))
  }
}
