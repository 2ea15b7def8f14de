import CMachine
import KernelMemory
import MachineSimulator
import Testing

/// What AArch64 asks of whoever changes an entry, and x86-64 and RISC-V do not.
@Suite struct EntryRulesTests {
  private static let address: UInt64 = 0xffff_c987_6545_5000
  private static let page = AArch64MMUTests.page
  private static let block = AArch64MMUTests.block

  /// Entries as the memory manager stores them, which is seen.
  private final class Stores {
    let tables: RawTables
    var machine: SimulatedMachine { tables.machine }

    init(_ hardware: Hardware) throws {
      tables = try RawTables(hardware)
      for level in [4, 3, 2] { store(level, (tables.tables[level - 1] ?? 0) | 3) }
      announce()
    }

    func store(_ level: Int, _ entry: UInt64) {
      let place = tables.place(level, EntryRulesTests.address)
      tables[physical: place] = entry
      cmachine_entry_stored(UInt(machine.linearMap.base.rawValue + place))
    }

    /// `Machine.afterMap` of a page.
    func announce() {
      let machine = machine.machine
      let start = UInt(EntryRulesTests.address)
      machine.afterMap?(machine.context, cmachine_range(start: start, end: start + 4096), false)
    }

    var cause: Fault.Cause? { machine.cause(.read, EntryRulesTests.address) }
  }

  private static var hardware: Hardware {
    var hardware = Hardware.aarch64(granule: .size4K)
    hardware.entriesNeedBarriers = false
    return hardware
  }

  /// What a live page may become in one store.
  @Test(
    arguments: [
      (4 * GiB | AArch64MMUTests.page | AArch64MMUTests.readOnly, false),
      (4 * GiB | AArch64MMUTests.page | 1 << 53, false), (0, false),
      (4 * GiB + 4096 | AArch64MMUTests.page, true), (4 * GiB | AArch64MMUTests.page | 1 << 2, true),
      (4 * GiB | AArch64MMUTests.page | 1 << 11, true),
    ] as [(UInt64, Bool)])
  func aLivePageKeepsWhereItLeads(entry: UInt64, isViolation: Bool) throws {
    let stores = try Stores(Self.hardware)
    stores.store(1, 4 * GiB | Self.page)
    #expect(stores.machine.takeViolation() == nil)
    stores.store(1, entry)
    #expect((stores.machine.takeViolation() != nil) == isViolation)
  }

  /// A table and a block, either way; a table and another.
  @Test func aLiveEntryKeepsItsKind() throws {
    let stores = try Stores(Self.hardware)
    stores.store(2, 4 * GiB | Self.block)
    #expect(stores.machine.takeViolation()?.description.contains("in use") == true)
    stores.store(2, (stores.tables.tables[1] ?? 0) | 3)
    #expect(stores.machine.takeViolation() != nil)
    stores.store(2, (stores.tables.tables[1] ?? 0) | 3 | 1 << 58)
    #expect(stores.machine.takeViolation() == nil)
    stores.store(2, RawTables.free | 3)
    #expect(stores.machine.takeViolation() != nil)
  }

  /// Absent in between is not enough: a CPU may still translate by what there was.
  @Test(arguments: [false, true]) func aFlushIsInBetween(flushes: Bool) throws {
    let stores = try Stores(Self.hardware)
    stores.store(1, 4 * GiB | Self.page)
    #expect(stores.cause == nil)
    stores.store(1, 0)
    if flushes { stores.machine.invalidatePage(at: VirtualAddress(Self.address)) }
    // What was there may come back.
    stores.store(1, 4 * GiB | Self.page)
    #expect(stores.machine.takeViolation() == nil)
    stores.store(1, 0)
    stores.store(1, 4 * GiB + 4096 | Self.page)
    #expect((stores.machine.takeViolation() != nil) == !flushes)
  }

  /// A table in a walk cache is something that there was, too.
  @Test(arguments: [false, true]) func aTableIsFlushedBeforeABlockIsThere(flushes: Bool) throws {
    let stores = try Stores(Self.hardware)
    #expect(stores.cause == .notPresent)
    stores.store(2, 0)
    if flushes { stores.machine.invalidatePage(at: VirtualAddress(Self.address)) }
    stores.store(2, 4 * GiB | Self.block)
    #expect((stores.machine.takeViolation() != nil) == !flushes)
  }

  /// Who does not take part may hold anything.
  @Test func ofCPUsThatTakePart() throws {
    let stores = try Stores(Self.hardware)
    stores.store(1, 4 * GiB | Self.page)
    #expect(stores.cause == nil)
    stores.machine.takesPart = { _ in false }
    stores.store(1, 0)
    stores.store(1, 4 * GiB + 4096 | Self.page)
    #expect(stores.machine.takeViolation() == nil)
  }

  /// A walk need not see a store before a barrier of the CPU that has made it.
  @Test func walkersSeeNewEntriesAfterABarrier() throws {
    for needs in [false, true] {
      var hardware = Self.hardware
      hardware.entriesNeedBarriers = needs
      let stores = try Stores(hardware)
      stores.store(1, 4 * GiB | Self.page)
      #expect(stores.cause == (needs ? .notPresent : nil))
      stores.announce()
      #expect(stores.cause == nil)
      #expect((stores.machine.machine.afterMap != nil) == needs)
    }
  }

  @Test func aFlushIsABarrierToo() throws {
    var hardware = Self.hardware
    hardware.entriesNeedBarriers = true
    let stores = try Stores(hardware)
    stores.store(1, 4 * GiB | Self.page)
    let machine = stores.machine.machine
    machine.flush(machine.context, nil, 0)
    #expect(stores.cause == nil)
  }
}
