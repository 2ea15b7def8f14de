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

  /// `machine` must be removed before it ends.
  func add(_ machine: SimulatedMachine) {
    let start = UInt(machine.memory.base.rawValue)
    let addresses = start..<start + UInt(machine.memory.limit.rawValue)
    let place = unsafe Place(addresses: addresses, machine: .passUnretained(machine))
    places.withLock { $0.append(place) }
  }

  /// - Returns: whether there is no other.
  func remove(_ machine: SimulatedMachine) -> Bool {
    let start = UInt(machine.memory.base.rawValue)
    return places.withLock { list in
      list.removeAll { $0.addresses.lowerBound == start }
      return list.isEmpty
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
