import KernelMemory
import MachineSimulator
import Testing

/// Every bit of every kind of entry: reserved, or not.
@Suite struct ReservedBitsTests {
  /// An entry of `level` on the way to a leaf of `leafLevel`.
  struct Entry: Sendable, CustomTestStringConvertible {
    var level: Int
    var leafLevel: Int
    var testDescription: String { "level \(level) with a leaf of level \(leafLevel)" }

    /// SDM tables 4-15 to 4-20, for MAXPHYADDR `physicalAddressBits`.
    func isReserved(bit: Int, physicalAddressBits: Int) -> Bool {
      switch bit {
      case physicalAddressBits..<52: true
      case 7: level == 4
      case 13...20: level > 1 && level == leafLevel
      case 21...29: level == 3 && leafLevel == 3
      default: false
      }
    }

    /// Bits that decide where the walk goes, so that setting one is another test's matter.
    func leadsElsewhere(bit: Int, physicalAddressBits: Int) -> Bool {
      bit == 0 || (bit == 7 && level > 1 && level < 4)
        || ((12..<physicalAddressBits).contains(bit) && level != leafLevel)
    }
  }

  static let entries = (1...3).flatMap { leaf in (leaf...4).map { Entry(level: $0, leafLevel: leaf) } }

  @Test(arguments: entries, [36, 40, 46, 52])
  func faultsOnExactlyTheReservedBits(entry: Entry, physicalAddressBits: Int) throws {
    let tables = try Tables(
      ram: RAMRegion.pc(byteCount: 2 * GiB), physicalAddressBits: physicalAddressBits)
    tables.map(highAddress, to: GiB, level: entry.leafLevel)
    let place = tables.entry(entry.level, for: highAddress)
    let original = tables[physical: place]
    for bit in 0..<64 where !entry.leadsElsewhere(bit: bit, physicalAddressBits: physicalAddressBits) {
      tables[physical: place] = original | 1 << UInt64(bit)
      let isReserved = entry.isReserved(bit: bit, physicalAddressBits: physicalAddressBits)
      // A frame far above the RAM is an address, if not a good one: its walk ends on the bus.
      let isAddress = (31..<physicalAddressBits).contains(bit)
      let expected: Fault.Cause? = isReserved ? .reservedBits : isAddress ? .busError : nil
      let fault = tables.machine.fault(.read, highAddress)
      #expect(fault?.cause == expected, "bit \(bit)")
      if isReserved {
        #expect(fault?.level == entry.level, "bit \(bit)")
        #expect(fault?.physicalAddress == PhysicalAddress(place), "bit \(bit)")
      }
      tables.machine.flushAll()
    }
  }

  @Test func comesBeforePermissions() throws {
    let tables = try Tables()
    tables.map(highAddress, to: GiB, flags: present | noExecute | 1 << 51)
    for access in Fault.Access.allCases {
      #expect(tables.machine.cause(access, highAddress) == .reservedBits)
    }
    #expect(tables.machine.counters.faults(.reservedBits) == 3)
  }

  @Test(arguments: 1...4) func leavesTheEntryAlone(level: Int) throws {
    let tables = try Tables()
    tables.map(highAddress, to: GiB)
    let entry = tables.entry(level, for: highAddress)
    tables[physical: entry] |= 1 << 50
    let before = tables[physical: entry]
    #expect(tables.machine.cause(.write, highAddress) == .reservedBits)
    #expect(tables[physical: entry] == before)
  }
}
