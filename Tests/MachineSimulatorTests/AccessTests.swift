import KernelMemory
import MachineSimulator
import Testing

@Suite struct AccessTests {
  /// Two pages that are neighbours in virtual memory and far apart in physical memory, with two more that
  /// are not present around them.
  private func makeTables(flags: UInt64 = present | writable) throws -> Tables {
    let tables = try Tables()
    tables.map(highAddress, to: 6 * GiB)
    tables.map(highAddress + 4096, to: GiB, flags: flags)
    return tables
  }

  private func roundTrip<Value: FixedWidthInteger>(_ value: Value, at offset: UInt64) throws {
    let tables = try makeTables()
    let address = VirtualAddress(highAddress + offset)
    try tables.machine.store(value, at: address)
    #expect(try tables.machine.load(at: address) == value)
    let bytes = try tables.machine.load(byteCount: MemoryLayout<Value>.size, at: address)
    #expect(bytes == withUnsafeBytes(of: value.littleEndian) { Array($0) })
    for outside in [highAddress + offset - 1, highAddress + offset + UInt64(MemoryLayout<Value>.size)] {
      #expect(try tables.machine.load(UInt8.self, at: VirtualAddress(outside)) == 0)
    }
  }

  @Test(arguments: [8, 1001, 4089, 4090, 4091, 4092, 4093, 4094, 4095, 4096] as [UInt64])
  func integersOfAllWidthsComeBack(offset: UInt64) throws {
    try roundTrip(UInt8(0xfe), at: offset)
    try roundTrip(Int8(-2), at: offset)
    try roundTrip(UInt16(0xfedc), at: offset)
    try roundTrip(Int16(-300), at: offset)
    try roundTrip(UInt32(0xfedc_ba98), at: offset)
    try roundTrip(Int32(-70000), at: offset)
    try roundTrip(UInt64(0xfedc_ba98_7654_3210), at: offset)
    try roundTrip(Int64.min + 5, at: offset)
    try roundTrip(Int.max - 5, at: offset)
  }

  @Test func fetchReadsTheByte() throws {
    let tables = try makeTables()
    tables[physical: GiB] = 0xc3
    #expect(try tables.machine.fetch(at: VirtualAddress(highAddress + 4096)) == 0xc3)
  }

  /// Neither half of a crossing access happens if one cannot, and the fault names the page that failed.
  @Test(arguments: 1...7 as ClosedRange<UInt64>)
  func aCrossingStoreIsAllOrNothing(before: UInt64) throws {
    let tables = try makeTables(flags: present)
    tables[physical: 6 * GiB + 4088] = 0x1111_1111_1111_1111
    let crossing = highAddress + 4096 - before
    var fault = try #require(tables.machine.fault(.write, crossing))
    #expect(fault.cause == .writeToReadOnly)
    #expect(fault.address == VirtualAddress(highAddress + 4096))
    #expect(tables[physical: 6 * GiB + 4088] == 0x1111_1111_1111_1111)
    #expect(tables.machine.cause(.read, crossing) == nil)

    fault = try #require(tables.machine.fault(.read, highAddress + 8192 - before))
    #expect(fault.cause == .notPresent)
    #expect(fault.address == VirtualAddress(highAddress + 8192))
    fault = try #require(tables.machine.fault(.read, highAddress - before))
    #expect(fault.cause == .notPresent)
    #expect(fault.address == VirtualAddress(highAddress - before))
  }

  @Test func crossingTheEndOfTheLowerHalfIsNotCanonical() throws {
    let tables = try Tables()
    let last: UInt64 = 0x0000_7fff_ffff_f000
    tables.map(last, to: GiB)
    #expect(tables.machine.cause(.read, last + 4088) == nil)
    let fault = tables.machine.fault(.read, last + 4089)
    #expect(fault?.cause == .notCanonical)
    #expect(fault?.address == VirtualAddress(last + 4096))
  }

  @Test func crossingTheEndOfTheAddressSpaceWraps() throws {
    let tables = try Tables()
    let last = UInt64.max - 4095
    tables.map(last, to: GiB)
    let fault = tables.machine.fault(.read, .max - 3)
    #expect(fault?.cause == .notPresent)
    #expect(fault?.address == VirtualAddress(0))
    tables.map(0, to: 5 * GiB)
    try tables.machine.store(0x1234_5678 as UInt32, at: VirtualAddress(.max - 1))
    #expect(tables[physical: GiB + 4088] == 0x5678 << 48)
    #expect(tables[physical: 5 * GiB] == 0x1234)
  }

  @Test(arguments: [0, 1, 4095, 4096, 4097, 8000]) func byteRangesComeBack(count: Int) throws {
    let tables = try makeTables()
    let address = VirtualAddress(highAddress + 3)
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 31 + 7) }
    try tables.machine.store(bytes, at: address)
    #expect(try tables.machine.load(byteCount: count, at: address) == bytes)
    let end = VirtualAddress(highAddress + 3 + UInt64(count))
    #expect(try tables.machine.load(UInt8.self, at: end) == 0)
  }

  @Test func aByteRangeStopsAtTheFault() throws {
    let tables = try makeTables()
    let start = highAddress + 8192 - 100
    let fault = fault { () throws(Fault) in
      try tables.machine.store([UInt8](repeating: 9, count: 200), at: VirtualAddress(start))
    }
    #expect(fault?.address == VirtualAddress(highAddress + 8192))
    #expect(fault?.cause == .notPresent)
    let written = try tables.machine.load(byteCount: 101, at: VirtualAddress(start - 1))
    #expect(written == [0] + [UInt8](repeating: 9, count: 100))
    #expect(throws: Fault.self) {
      try tables.machine.load(byteCount: 101, at: VirtualAddress(start))
    }
  }

  @Test func faultsDescribeThemselves() throws {
    let tables = try makeTables()
    let fault = try #require(tables.machine.fault(.write, highAddress + 8192))
    let entry = String(tables.entry(1, for: highAddress + 8192), radix: 16)
    #expect(
      fault.description == "notPresent on write at 0xffffc98765434000, level 1, physical 0x\(entry)")
  }
}
