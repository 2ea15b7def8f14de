import KernelMemory
import Testing

@testable import MachineSimulator

/// Uses of page frames that their owner has given back.
@Suite struct FreedFrameTests {
  private func makeTables() throws -> Tables {
    let tables = try Tables()
    tables.map(highAddress, to: GiB)
    tables.map(highAddress + 4096, to: GiB + 4096)
    return tables
  }

  private func free(_ address: UInt64, in tables: Tables) {
    let frame = PhysicalAddress(address).number(.size4K)
    tables.machine.isFrameFree = { $0 == frame }
  }

  @Test(arguments: Fault.Access.allCases)
  func isCaughtThroughAStaleLeaf(access: Fault.Access) throws {
    let tables = try makeTables()
    #expect(tables.machine.cause(.read, highAddress) == nil)
    tables[physical: tables.entry(1, for: highAddress)] = 0
    tables[physical: GiB] = 77
    free(GiB, in: tables)
    let fault = tables.machine.fault(access, highAddress)
    #expect(
      fault
        == Fault(
          address: VirtualAddress(highAddress), access: access, cause: .freedFrame, level: 0,
          physicalAddress: PhysicalAddress(GiB), usedCache: true))
    #expect(tables[physical: GiB] == 77)
    #expect(tables.machine.counters.faults(.freedFrame) == 1)
    // It is no page fault: the stale leaf is still there to be caught again.
    #expect(tables.machine.cause(access, highAddress) == .freedFrame)
    tables.machine.invalidatePage(at: VirtualAddress(highAddress))
    #expect(tables.machine.cause(access, highAddress) == .notPresent)
  }

  @Test func isCaughtThroughTheTablesThemselves() throws {
    let tables = try makeTables()
    free(GiB, in: tables)
    #expect(tables.machine.fault(.read, highAddress)?.cause == .freedFrame)
    #expect(tables.machine.fault(.read, highAddress)?.usedCache == true)
    tables.machine.flushAll()
    #expect(tables.machine.fault(.read, highAddress)?.usedCache == false)
    #expect(tables.machine.cause(.read, highAddress + 4096) == nil)
  }

  @Test func isCaughtOneFrameInsideALargeLeaf() throws {
    let tables = try Tables()
    let address = highAddress & ~(2 * MiB - 1)
    tables.map(address, to: GiB, level: 2)
    free(GiB + 0x5000, in: tables)
    #expect(tables.machine.cause(.write, address + 0x4ff8) == nil)
    #expect(tables.machine.cause(.write, address + 0x4ffc) == .freedFrame)
    #expect(tables.machine.cause(.write, address + 0x5000) == .freedFrame)
    #expect(tables.machine.cause(.write, address + 0x5ff8) == .freedFrame)
    #expect(tables.machine.cause(.write, address + 0x6000) == nil)
  }

  /// A table that was freed before the flush is read by the next walk below its cached parent.
  @Test(arguments: 1...3) func isCaughtInAStaleTable(level: Int) throws {
    let tables = try makeTables()
    #expect(tables.machine.cause(.read, highAddress) == nil)
    let table = tables.entry(level, for: highAddress) & ~0xfff
    let neighbour = highAddress + 1 << UInt64(12 + 9 * (level - 1))
    tables[physical: tables.entry(level + 1, for: highAddress)] = 0
    free(table, in: tables)
    let fault = tables.machine.fault(.read, neighbour)
    #expect(fault?.cause == .freedFrame)
    #expect(fault?.level == level)
    #expect(fault?.usedCache == true)
    // The leaf needs no table.
    #expect(tables.machine.cause(.read, highAddress) == nil)
    tables.machine.flushAll()
    #expect(tables.machine.cause(.read, neighbour) == .notPresent)
  }

  /// A first write sets a flag in the table of a leaf that was cached clean.
  @Test func isCaughtWhenADirtyFlagGoesIntoAFreedTable() throws {
    let tables = try makeTables()
    #expect(tables.machine.cause(.read, highAddress) == nil)
    let entry = tables.entry(1, for: highAddress)
    let before = tables[physical: entry]
    free(entry, in: tables)
    let fault = tables.machine.fault(.write, highAddress)
    #expect(fault?.cause == .freedFrame)
    #expect(fault?.level == 1)
    #expect(fault?.physicalAddress == PhysicalAddress(entry))
    #expect(tables[physical: entry] == before)
  }

  @Test func isSeenByTranslationsThatIgnoreTheCaches() throws {
    let tables = try makeTables()
    free(tables.entry(2, for: highAddress), in: tables)
    let fault = fault { () throws(Fault) in
      try tables.machine.translation(of: VirtualAddress(highAddress))
    }
    #expect(fault?.cause == .freedFrame)
    #expect(fault?.level == 2)
    tables.machine.isFrameFree = nil
    #expect(tables.machine.cause(.read, highAddress) == nil)
  }
}
