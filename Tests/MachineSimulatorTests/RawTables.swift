import KernelMemory
import MachineSimulator

// Page tables of any architecture, written by hand: a test says what its entries are, from the manual.

/// A machine, and one way through its tables, to an address in the upper half.
final class RawTables {
  let machine: SimulatedMachine
  /// log2 of the bytes of a page, and of what the index into each table has above it.
  private let shift: UInt64
  private let levels: Int
  private let rootBits: UInt64
  /// By level.
  private(set) var tables: [Int: UInt64] = [:]

  /// Where pages and tables may be.
  static let free = 8 * MiB

  /// - Parameter rootBits: log2 of the entries in the root.
  init(_ hardware: Hardware, shift: UInt64 = 12, rootBits: UInt64 = 9, cpuCount: Int = 1) throws {
    self.shift = shift
    self.rootBits = rootBits
    levels = hardware.pagingLevels
    machine = try SimulatedMachine(
      ram: [RAMRegion(PhysicalAddress(0), byteCount: 8 * GiB)], cpuCount: cpuCount, hardware: hardware)
    for level in 1...levels { tables[level] = Self.free + UInt64(level) << shift }
    for cpu in 0..<cpuCount { try machine.loadRoot(PhysicalAddress(tables[levels] ?? 0), cpu: cpu) }
  }

  func index(_ address: UInt64, _ level: Int) -> UInt64 {
    let bits = level == levels ? rootBits : shift - 3
    return address >> (shift + UInt64(level - 1) * (shift - 3)) & (1 << bits - 1)
  }

  /// The physical address of the entry of a level for an address.
  func place(_ level: Int, _ address: UInt64) -> UInt64 { (tables[level] ?? 0) + index(address, level) * 8 }

  subscript(physical address: UInt64) -> UInt64 {
    get { pointer(address).load(as: UInt64.self) }
    set { pointer(address).storeBytes(of: newValue, as: UInt64.self) }
  }

  private func pointer(_ address: UInt64) -> UnsafeMutableRawPointer {
    machine.linearMap.virtualAddress(of: PhysicalAddress(address)).pointer.unsafelyUnwrapped
  }

  /// Entries on the way to that of `level`, which is `entry`.
  func set(_ address: UInt64, level: Int = 1, _ entry: UInt64, table: (UInt64) -> UInt64) {
    for above in stride(from: levels, to: level, by: -1) {
      self[physical: place(above, address)] = table(tables[above - 1] ?? 0)
    }
    self[physical: place(level, address)] = entry
    machine.flushAll()
  }
}
