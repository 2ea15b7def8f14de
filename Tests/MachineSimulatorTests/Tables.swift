import KernelMemory
import MachineSimulator

// Page tables written by hand into the RAM of a simulated machine: raw bits, as the tables of the SDM
// give them, so that a test shares no constant with what it tests.

let present: UInt64 = 0x1
let writable: UInt64 = 0x2
let user: UInt64 = 0x4
let accessed: UInt64 = 0x20
let dirty: UInt64 = 0x40
let largePage: UInt64 = 0x80
let global: UInt64 = 0x100
let noExecute: UInt64 = 1 << 63

let KiB: UInt64 = 1 << 10
let MiB: UInt64 = 1 << 20
let GiB: UInt64 = 1 << 30

/// An address in each half of the address space, all of whose four table indices differ.
let lowAddress: UInt64 = 0x0000_1234_5678_9000
let highAddress: UInt64 = 0xffff_c987_6543_2000

final class Tables {
  let machine: SimulatedMachine
  let root: UInt64
  private var nextTable = 64 * KiB

  /// A machine with a page's worth of RAM at every address below 3 GiB and above 4 GiB that the tests use.
  init(
    ram: [RAMRegion] = RAMRegion.pc(byteCount: 8 * GiB), cpuCount: Int = 1,
    physicalAddressBits: Int = 46, setsAccessedAndDirty: Bool = true
  ) throws {
    machine = try SimulatedMachine(
      ram: ram, cpuCount: cpuCount, physicalAddressBits: physicalAddressBits,
      setsAccessedAndDirty: setsAccessedAndDirty)
    root = nextTable
    nextTable += 4 * KiB
    for cpu in 0..<cpuCount { try machine.loadRoot(PhysicalAddress(root), cpu: cpu) }
  }

  init(hardware: Hardware, cpuCount: Int = 1) throws {
    machine = try SimulatedMachine(
      ram: RAMRegion.pc(byteCount: 8 * GiB), cpuCount: cpuCount, hardware: hardware)
    root = nextTable
    nextTable += 4 * KiB
    for cpu in 0..<cpuCount { try machine.loadRoot(PhysicalAddress(root), cpu: cpu) }
  }

  /// 64 bits of physical memory, reached as the memory manager reaches them.
  subscript(physical address: UInt64) -> UInt64 {
    get { pointer(address).load(as: UInt64.self) }
    set { pointer(address).storeBytes(of: newValue, as: UInt64.self) }
  }

  private func pointer(_ address: UInt64) -> UnsafeMutableRawPointer {
    machine.linearMap.virtualAddress(of: PhysicalAddress(address)).pointer.unsafelyUnwrapped
  }

  func makeTable() -> UInt64 {
    defer { nextTable += 4 * KiB }
    return nextTable
  }

  /// Where the entry of `level` for an address lies, in the tables as they are.
  func entry(_ level: Int, for address: UInt64) -> UInt64 {
    var table = root
    for above in stride(from: machine.hardware.pagingLevels, to: level, by: -1) {
      table = self[physical: table + index(above, of: address) * 8] & 0x000f_ffff_ffff_f000
    }
    return table + index(level, of: address) * 8
  }

  /// Maps the page of an address, with the tables that are missing, and leaves other entries alone.
  func map(
    _ address: UInt64, to physical: UInt64, level: Int = 1, flags: UInt64 = present | writable | user,
    tableFlags: UInt64 = present | writable | user
  ) {
    for above in stride(from: machine.hardware.pagingLevels, to: level, by: -1) {
      let entry = entry(above, for: address)
      if self[physical: entry] == 0 { self[physical: entry] = makeTable() | tableFlags }
    }
    self[physical: entry(level, for: address)] = physical | flags | (level > 1 ? largePage : 0)
  }

  private func index(_ level: Int, of address: UInt64) -> UInt64 {
    (address >> UInt64(12 + 9 * (level - 1))) & 511
  }
}

/// The bytes that a leaf of a level maps.
func leafSize(_ level: Int) -> UInt64 { [4 * KiB, 2 * MiB, GiB][level - 1] }

/// What an access throws; nil where it succeeds.
func fault<Result>(_ access: () throws(Fault) -> Result) -> Fault? {
  do {
    _ = try access()
    return nil
  } catch {
    return error
  }
}

extension SimulatedMachine {
  /// The cause of the fault that an access of a kind meets; nil where it succeeds. Writes zero.
  func cause(_ access: Fault.Access, _ address: UInt64, cpu: Int = 0) -> Fault.Cause? {
    self.fault(access, address, cpu: cpu)?.cause
  }

  func fault(_ access: Fault.Access, _ address: UInt64, cpu: Int = 0) -> Fault? {
    let address = VirtualAddress(address)
    do throws(Fault) {
      switch access {
      case .read: _ = try load(UInt64.self, at: address, cpu: cpu)
      case .write: try store(UInt64(0), at: address, cpu: cpu)
      case .execute: try fetch(at: address, cpu: cpu)
      }
      return nil
    } catch {
      return error
    }
  }

  func read(_ address: UInt64, cpu: Int = 0) throws -> UInt64 {
    try load(UInt64.self, at: VirtualAddress(address), cpu: cpu)
  }
}
