import KernelMemory
import Testing

@testable import ACPI

@Suite struct RootTableTests {
  private let firmware = Firmware.listing([EntryBytes.processor(0)])

  @Test
  func knowsThatThereAreNone() {
    #expect(throws: ACPIError.noRootPointer) { try firmware.read(at: 0) }
    #expect(throws: ACPIError.wrongSignature(.rootPointer)) { try firmware.read(at: 0x200) }
  }

  /// Each byte of each table is under its checksum.
  @Test(arguments: [
    (Firmware.rootPointer + 10, ACPIError.wrongChecksum(.rootPointer)),
    (Firmware.rootPointer + 33, .wrongChecksum(.rootPointer)),
    (Firmware.rootTable + 20, .wrongChecksum(.rootTable)),
    (Firmware.processors + 47, .wrongChecksum(.multipleAPICTable)),
  ])
  func refusesAWrongChecksum(_ address: UInt64, _ error: ACPIError) {
    firmware.put(UInt8(0x5a), at: address)
    #expect(throws: error) { try firmware.read() }
  }

  @Test
  func refusesAnotherSignature() {
    firmware.putTable("TDSX", at: Firmware.rootTable, body: [])
    #expect(throws: ACPIError.wrongSignature(.rootTable)) { try firmware.read() }
    firmware.putRootTable([Firmware.otherTable], .second)
    #expect(throws: ACPIError.noMultipleAPICTable) { try firmware.read() }
    firmware.putRootTable([], .second)
    #expect(throws: ACPIError.noMultipleAPICTable) { try firmware.read() }
  }

  /// A byte count is believed only when it covers what the table must have and the window reaches it.
  @Test(arguments: [0, 35, 43] as [UInt32])
  func refusesATableThatIsTooShort(_ count: UInt32) {
    firmware.put(count, at: Firmware.processors + 4)
    #expect(throws: ACPIError.wrongByteCount(.multipleAPICTable, count)) { try firmware.read() }
    firmware.put(min(35, count), at: Firmware.rootTable + 4)
    #expect(throws: ACPIError.wrongByteCount(.rootTable, min(35, count))) { try firmware.read() }
    firmware.put(min(35, count), at: Firmware.rootPointer + 20)
    #expect(throws: ACPIError.wrongByteCount(.rootPointer, min(35, count))) { try firmware.read() }
  }

  @Test(arguments: [UInt32(Firmware.byteCount), UInt32.max])
  func followsNoByteCountOutOfTheWindow(_ count: UInt32) {
    firmware.put(count, at: Firmware.processors + 4)
    #expect(throws: ACPIError.unreachable(.multipleAPICTable, PhysicalAddress(Firmware.processors))) {
      try firmware.read()
    }
    firmware.put(count, at: Firmware.rootTable + 4)
    #expect(throws: ACPIError.unreachable(.rootTable, PhysicalAddress(Firmware.rootTable))) {
      try firmware.read()
    }
    firmware.put(count, at: Firmware.rootPointer + 20)
    #expect(throws: ACPIError.unreachable(.rootPointer, PhysicalAddress(Firmware.rootPointer))) {
      try firmware.read()
    }
  }

  @Test(arguments: [UInt64(Firmware.byteCount) - 8, UInt64(Firmware.byteCount), UInt64.max - 3])
  func followsNoPointerOutOfTheWindow(_ address: UInt64) {
    let outside = PhysicalAddress(address)
    #expect(throws: ACPIError.unreachable(.rootPointer, outside)) { try firmware.read(at: address) }
    firmware.putRootTable([address, Firmware.otherTable], .second)
    #expect(throws: ACPIError.unreachable(.table, outside)) { try firmware.read() }
    // One that cannot be read does not hide the one that is looked for.
    firmware.putRootTable([address, 0, Firmware.processors], .second)
    #expect(throws: Never.self) { try firmware.read() }
    firmware.put(address, at: Firmware.rootPointer + 24)
    firmware.seal(Firmware.rootPointer, count: 36, checksum: 32)
    #expect(throws: ACPIError.unreachable(.rootTable, outside)) { try firmware.read() }
  }

  /// Firmware has been seen whose XSDT is damaged and whose RSDT is not.
  @Test(arguments: RootTableDamage.allCases)
  func fallsBackToTheRSDT(_ damage: RootTableDamage) throws {
    let firmware = Firmware.listing([EntryBytes.processor(0), EntryBytes.processor(1)])
    firmware.putOtherRootTable()
    damage.apply(to: firmware)
    #expect(try firmware.read().count == 2)
  }

  /// What is said is what is wrong with the XSDT.
  @Test
  func saysWhatIsWrongWithTheXSDT() {
    let firmware = Firmware.listing([EntryBytes.processor(0)])
    firmware.putOtherRootTable()
    firmware.put(UInt8(0x5a), at: Firmware.otherRootTable + 20)
    RootTableDamage.signature.apply(to: firmware)
    #expect(throws: ACPIError.wrongSignature(.rootTable)) { try firmware.read() }
  }

  @Test
  func saysWhatIsWrong() {
    struct Text: TextSink {
      var bytes: [UInt8] = []
      mutating func write(_ byte: UInt8) { bytes.append(byte) }
    }
    var text = Text()
    ACPIError.unreachable(.table, PhysicalAddress(0x1234)).write(to: &text)
    ACPIError.malformedEntry(offset: 52).write(to: &text)
    #expect(
      String(decoding: text.bytes, as: UTF8.self)
        == "an ACPI table lies at physical 0x1234, which the boot code's tables do not reach"
        + "the ACPI table of CPUs (MADT) has a malformed entry at offset 52")
  }
}

/// What firmware can get wrong about its XSDT.
enum RootTableDamage: CaseIterable {
  case signature, checksum, byteCount, address

  func apply(to firmware: Firmware) {
    switch self {
    case .signature: firmware.putTable("TDSX", at: Firmware.rootTable, body: [])
    case .checksum: firmware.put(UInt8(0x5a), at: Firmware.rootTable + 20)
    case .byteCount: firmware.put(UInt32(7), at: Firmware.rootTable + 4)
    case .address:
      firmware.put(UInt64(Firmware.byteCount), at: Firmware.rootPointer + 24)
      firmware.seal(Firmware.rootPointer, count: 36, checksum: 32)
    }
  }
}
