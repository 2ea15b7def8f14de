import KernelMemory
import Testing

@testable import ACPI

@Suite struct ProcessorListTests {
  @Test(arguments: Firmware.Revision.allCases)
  func listsTheEnabledCPUs(_ revision: Firmware.Revision) throws {
    let list = try Firmware.listing(
      [
        EntryBytes.processor(0), EntryBytes.other, EntryBytes.processor(2),
        EntryBytes.processor(4, flags: 0), EntryBytes.processor(6, flags: 2), EntryBytes.x2(7),
      ], revision
    ).read()
    #expect(Self.ids(list) == [0, 2, 7])
    #expect(list.localAPIC == PhysicalAddress(0xfee0_0000))
    #expect(list.unreachable == 0)
    #expect(list.contains(2))
    #expect(!list.contains(4))
  }

  @Test
  func countsACPUWithTwoEntriesOnce() throws {
    let list = try Firmware.listing([EntryBytes.processor(1), EntryBytes.x2(1), EntryBytes.x2(3)]).read()
    #expect(Self.ids(list) == [1, 3])
  }

  @Test
  func leavesOutWhatEightBitsCannotAddress() throws {
    let list = try Firmware.listing([
      EntryBytes.x2(254), EntryBytes.x2(255), EntryBytes.x2(256), EntryBytes.processor(255),
      EntryBytes.x2(70_000, flags: 0),
    ]).read()
    #expect(Self.ids(list) == [254])
    // 255 has two entries.
    #expect(list.unreachable == 2)
  }

  @Test
  func countsAnIDThatItCannotAddressOnce() throws {
    let many = Array(repeating: EntryBytes.x2(0x1716_1514), count: 8)
    let list = try Firmware.listing([EntryBytes.processor(0)] + many + [EntryBytes.x2(0x1716_1515)]).read()
    #expect(Self.ids(list) == [0])
    #expect(list.unreachable == 2)
    // One that was not there before is counted when it is.
    let late = try Firmware.listing([
      EntryBytes.processor(0), EntryBytes.x2(300, flags: 0), EntryBytes.x2(300), EntryBytes.x2(300),
    ]).read()
    #expect(late.unreachable == 1)
  }

  @Test
  func holdsAsManyAsThereCanBe() throws {
    let list = try Firmware.listing((0...255).map { EntryBytes.processor(UInt8($0)) }).read()
    #expect(list.count == ProcessorList.capacity)
    #expect(list.unreachable == 1)
  }

  @Test
  func takesTheOtherAddressOfTheLocalAPIC() throws {
    let list = try Firmware.listing([EntryBytes.processor(0), EntryBytes.localAPIC(0x1_2345_6000)]).read()
    #expect(list.localAPIC == PhysicalAddress(0x1_2345_6000))
  }

  @Test
  func refusesAListOfNone() {
    #expect(throws: ACPIError.noProcessors) { try Firmware.listing([]).read() }
    #expect(throws: ACPIError.noProcessors) {
      try Firmware.listing([EntryBytes.processor(0, flags: 0)]).read()
    }
  }

  /// Shorter than their type, shorter than an entry's own header, and longer than the table.
  @Test(arguments: [
    [0, 7, 0, 0, 1, 0, 0], [9, 15, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], [5, 8, 0, 0, 0, 0, 0, 0], [3, 0],
    [3, 1], [3, 3], [3], [0, 8, 0, 0],
  ])
  func refusesAMalformedEntry(_ entry: [UInt8]) {
    #expect(throws: ACPIError.malformedEntry(offset: 52)) {
      try Firmware.listing([EntryBytes.processor(0), entry]).read()
    }
  }

  private static func ids(_ list: ProcessorList) -> [UInt8] { (0..<list.count).map { list[$0] } }
}
