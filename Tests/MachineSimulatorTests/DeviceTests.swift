import KernelMemory
import MachineSimulator
import Testing

/// Registers of devices, where no RAM is.
@Suite struct DeviceTests {
  private final class Registers {
    var written: [[UInt64]] = []
  }

  private let place = 3 * GiB
  /// PCD and PWT: uncached.
  private let uncached = present | writable | 0x18

  private func make(_ flags: UInt64) throws -> (Tables, Registers) {
    let tables = try Tables()
    let registers = Registers()
    try tables.machine.addDevice(
      at: RAMRegion(PhysicalAddress(place), byteCount: 8 * KiB),
      read: { offset, byteCount in offset << 8 | UInt64(byteCount) },
      write: { registers.written.append([$0, UInt64($1), $2]) })
    tables.map(highAddress, to: place, flags: flags)
    return (tables, registers)
  }

  private func address(_ offset: UInt64) -> VirtualAddress { VirtualAddress(highAddress + offset) }

  @Test func loadsAndStoresReachTheRegisters() throws {
    let (tables, registers) = try make(uncached)
    #expect(try tables.machine.load(UInt32.self, at: address(0x10)) == 0x1004)
    #expect(try tables.machine.load(UInt8.self, at: address(3)) == 0x01)
    #expect(try tables.machine.load(UInt64.self, at: address(8)) == 0x808)
    try tables.machine.store(UInt16(0xabcd), at: address(0x20))
    #expect(registers.written == [[0x20, 2, 0xabcd]])
  }

  @Test func whatIsNoAccessToARegisterIsABusError() throws {
    let (tables, registers) = try make(uncached)
    let machine = tables.machine
    #expect(fault { () throws(Fault) in try machine.load(UInt32.self, at: address(2)) }?.cause == .busError)
    #expect(fault { () throws(Fault) in try machine.load(byteCount: 16, at: address(0)) }?.cause == .busError)
    #expect(fault { () throws(Fault) in try machine.fetch(at: address(0)) }?.cause == .busError)
    tables.map(highAddress + 4096, to: place + 8 * KiB, flags: uncached)
    #expect(fault { () throws(Fault) in try machine.load(UInt8.self, at: address(4096)) }?.cause == .busError)
    #expect(registers.written.isEmpty)
  }

  @Test func permissionsAreThoseOfThePage() throws {
    let (tables, registers) = try make(present | 0x18)
    #expect(
      fault { () throws(Fault) in try tables.machine.store(UInt8(1), at: address(0)) }?.cause
        == .writeToReadOnly)
    #expect(try tables.machine.load(UInt16.self, at: address(4)) == 0x402)
    #expect(registers.written.isEmpty)
  }

  @Test func aWriteBackPageIsNoWayToADevice() throws {
    let (tables, registers) = try make(present | writable)
    #expect(
      fault { () throws(Fault) in try tables.machine.load(UInt8.self, at: address(0)) }?.cause
        == .cachedDevice)
    #expect(
      fault { () throws(Fault) in try tables.machine.store(UInt8(0), at: address(0)) }?.cause == .cachedDevice
    )
    #expect(registers.written.isEmpty)
  }

  @Test func devicesKeepOffRAMAndEachOther() throws {
    let (tables, _) = try make(uncached)
    for place in [place + 4 * KiB, GiB, 3 * GiB - 1] {
      let region = RAMRegion(PhysicalAddress(place), byteCount: 4 * KiB)
      #expect(throws: SimulatedMachineError.overlappingRegion(region)) {
        try tables.machine.addDevice(at: region, read: { _, _ in 0 })
      }
    }
    let empty = RAMRegion(PhysicalAddress(place), byteCount: 0)
    #expect(throws: SimulatedMachineError.badRegion(empty)) {
      try tables.machine.addDevice(at: empty, read: { _, _ in 0 })
    }
  }

  /// A search through all of memory reads frames that nobody has.
  @Test func freeFramesMayBeReadableByTheLinearMap() throws {
    let tables = try Tables()
    let linear = tables.machine.linearMap.base.rawValue + GiB
    tables.map(linear, to: GiB)
    tables.map(highAddress, to: GiB)
    tables.machine.isFrameFree = { $0 == PhysicalAddress(GiB).number(.size4K) }
    for isReadable in [false, true] {
      tables.machine.freeFramesAreReadable = isReadable
      #expect(tables.machine.cause(.read, linear) == (isReadable ? nil : .freedFrame))
      #expect(tables.machine.cause(.write, linear) == .freedFrame)
      #expect(tables.machine.cause(.read, highAddress) == .freedFrame)
    }
  }
}
