internal import KernelMemory

// Devices: registers at physical addresses where no RAM is. A load or store of 1, 2, 4 or 8 bytes that its
// size aligns reaches the device as one call; anything else is a bus error, as is a fetch. A driver maps
// registers uncached: through a write-back page hardware would keep, repeat, or leave out accesses, so that
// is a fault.

/// A device of a simulated machine.
struct Device {
  let registers: RAMRegion
  let read: (_ offset: UInt64, _ byteCount: Int) -> UInt64
  let write: (_ offset: UInt64, _ byteCount: Int, _ value: UInt64) -> Void

  /// Where an access begins in the registers; nil where it does not lie in them.
  func offset(of address: UInt64, byteCount: Int) -> UInt64? {
    guard address >= registers.start.rawValue else { return nil }
    let offset = address &- registers.start.rawValue
    return offset < registers.byteCount && UInt64(byteCount) <= registers.byteCount &- offset ? offset : nil
  }
}

extension SimulatedMachine {
  /// Puts a device at physical addresses that hold no RAM and no other device. While no CPU runs.
  /// - Parameters:
  ///   - registers: where its registers are.
  ///   - read: what a load gets, from an offset in the registers; of up to 8 bytes, the lowest bits count.
  ///   - write: what a store does. Both run on the thread of the CPU that makes the access.
  /// - Throws: `badRegion`, `overlappingRegion`.
  public func addDevice(
    at registers: RAMRegion, read: @escaping (_ offset: UInt64, _ byteCount: Int) -> UInt64,
    write: @escaping (_ offset: UInt64, _ byteCount: Int, _ value: UInt64) -> Void = { _, _, _ in }
  ) throws(SimulatedMachineError) {
    guard registers.byteCount > 0, let end = registers.end, end <= 1 &<< UInt64(memory.physicalAddressBits)
    else { throw .badRegion(registers) }
    for other in memory.regions + memory.devices.map(\.registers)
    where other.start.rawValue < end && registers.start.rawValue < other.end ?? .max {
      throw .overlappingRegion(registers)
    }
    memory.devices.append(Device(registers: registers, read: read, write: write))
  }

  /// The device that an access comes to, and the offset in its registers; nil where it comes to something
  /// else, or faults.
  func device(for request: Request, byteCount: Int, _ cpu: Int) throws(Fault) -> (Device, UInt64)? {
    guard !memory.devices.isEmpty, let leaf = try? cpus[cpu].walkWithoutCaches(request) else { return nil }
    let address = leaf.physicalAddress(of: request.address)
    for device in memory.devices {
      guard let offset = device.offset(of: address, byteCount: byteCount) else { continue }
      // Permissions, flags and caches are as for memory.
      let found = try cpus[cpu].physicalAddress(for: request)
      guard found == address else { return nil }
      guard address % UInt64(byteCount) == 0, byteCount & (byteCount - 1) == 0 else {
        throw request.fault(.busError, level: 0, at: address)
      }
      // Elsewhere the platform knows what is a device.
      guard !mmu.hasMemoryTypes || leaf.memoryType != 0 else {
        throw request.fault(.cachedDevice, level: Int(leaf.level), at: address)
      }
      return (device, offset)
    }
    return nil
  }
}
