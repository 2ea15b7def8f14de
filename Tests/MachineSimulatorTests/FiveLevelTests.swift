import KernelMemory
import Testing

@testable import MachineSimulator

/// Five levels of page tables, and addresses of 57 bits (SDM 4.5, with CR4.LA57 1).
@Suite struct FiveLevelTests {
  /// In each half, with five different indices, beyond what four levels reach.
  private static let addresses: [UInt64] = [0x0012_3456_789a_b000, 0xffa1_2987_6543_2000]

  private func makeTables(_ change: (inout Hardware) -> Void = { _ in }) throws -> Tables {
    var hardware = Hardware()
    hardware.pagingLevels = 5
    change(&hardware)
    return try Tables(hardware: hardware)
  }

  @Test(arguments: addresses, 1...3)
  func reachesTheByteBehindALeaf(address: UInt64, level: Int) throws {
    let tables = try makeTables()
    let offsetMask = leafSize(level) - 1
    let start = address & ~offsetMask
    tables.map(start, to: 5 * GiB, level: level)
    for offset in [0, offsetMask / 2 & ~7, offsetMask - 7] {
      tables[physical: 5 * GiB + offset] = ~offset
      #expect(try tables.machine.read(start + offset) == ~offset)
    }
    #expect(tables.machine.cause(.read, start &- 8) == .notPresent)
    #expect(tables.machine.cause(.read, start + offsetMask + 1) == .notPresent)
    // The same bits but the five that the fifth level resolves.
    #expect(tables.machine.cause(.read, start ^ 1 << 50) == .notPresent)
  }

  @Test func addressesAreCanonicalAt57Bits() throws {
    let tables = try makeTables()
    for address: UInt64 in [
      1 << 56, 0x01ff_ffff_ffff_fff8, 1 << 57, 1 << 63, 0xfeff_ffff_ffff_fff8, 0xfe00_0000_0000_0000,
      lowAddress | 1 << 62,
    ] { #expect(tables.machine.cause(.read, address) == .notCanonical) }
    for address: UInt64 in [
      0, 1 << 47, 0x00ff_ffff_ffff_fff8, 0xff00_0000_0000_0000, 0xffff_7fff_ffff_fff8, .max - 7,
    ] { #expect(tables.machine.cause(.read, address) == .notPresent) }
  }

  @Test func theMarkOfALeafIsReservedInTheTwoHighestLevels() throws {
    for level in 4...5 {
      let tables = try makeTables()
      tables.map(Self.addresses[1], to: GiB)
      tables[physical: tables.entry(level, for: Self.addresses[1])] |= largePage
      let fault = try #require(tables.machine.fault(.read, Self.addresses[1]))
      #expect(fault.cause == .reservedBits && fault.level == level)
    }
  }

  @Test(arguments: 1...5)
  func faultsWhereAnEntryIsNotPresent(level: Int) throws {
    let tables = try makeTables()
    tables.map(Self.addresses[1], to: GiB)
    tables[physical: tables.entry(level, for: Self.addresses[1])] = ~present
    let fault = try #require(tables.machine.fault(.read, Self.addresses[1]))
    #expect(fault.cause == .notPresent && fault.level == level)
  }

  /// A CPU keeps the table that an entry of the root has led to, until it is flushed.
  @Test(arguments: [Hardware.TableDrop.all, .ofAddress])
  func remembersTheTableBelowTheRoot(drop: Hardware.TableDrop) throws {
    let tables = try makeTables { $0.tableDrop = drop }
    let address = Self.addresses[1]
    tables.map(address, to: GiB)
    #expect(tables.machine.cause(.read, address) == nil)
    let entry = tables.entry(5, for: address)
    tables[physical: entry] = 0
    // Another leaf, in the same table below the root and in no other that is cached.
    let other = address ^ 1 << 40
    let fault = tables.machine.fault(.read, other)
    #expect(fault?.level == 4 && fault?.usedCache == true)
    tables.machine.flushAll()
    #expect(tables.machine.fault(.read, other)?.level == 5)
    #expect(tables.machine.fault(.read, address)?.level == 5)
  }

  /// A flush of one address drops the table on the way to it; one of another address does so where CPUs drop
  /// all tables.
  @Test func aFlushOfAnAddressDropsItsTables() throws {
    for (drop, levelAfterOther) in [(Hardware.TableDrop.all, 5), (.ofAddress, 4)] {
      let tables = try makeTables { $0.tableDrop = drop }
      let address = Self.addresses[1]
      tables.map(address, to: GiB)
      #expect(tables.machine.cause(.read, address) == nil)
      tables[physical: tables.entry(5, for: address)] = 0
      tables.machine.invalidatePage(at: VirtualAddress(lowAddress))
      #expect(tables.machine.fault(.read, address ^ 1 << 41)?.level == levelAfterOther)
      tables.machine.invalidatePage(at: VirtualAddress(address))
      #expect(tables.machine.fault(.read, address)?.level == 5)
    }
  }

  /// A greedy CPU walks to what an entry of the root leads to as soon as that is stored.
  @Test func greedyCPUsFollowTheRoot() throws {
    let tables = try makeTables()
    let address = Self.addresses[1]
    tables.map(address, to: GiB)
    let entry = tables.entry(5, for: address)
    let value = tables[physical: entry]
    tables[physical: entry] = 0
    tables.machine.speculation = .greedy
    tables[physical: entry] = value
    tables.machine.entryWasStored(at: entry)
    tables.machine.speculation = .none
    // Known without a look at the root.
    tables[physical: entry] = 0
    let fault = tables.machine.fault(.read, address ^ 1 << 40)
    #expect(fault?.level == 4 && fault?.usedCache == true)
  }

  @Test(arguments: [3, 6, 0, -1])
  func otherNumbersOfLevelsAreRefused(levels: Int) {
    #expect(throws: SimulatedMachineError.pagingLevels(levels)) {
      try makeTables { $0.pagingLevels = levels }
    }
  }
}
