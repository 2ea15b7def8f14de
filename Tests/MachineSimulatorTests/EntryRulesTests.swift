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

    init(_ hardware: Hardware, cpuCount: Int = 1) throws {
      tables = try RawTables(hardware, cpuCount: cpuCount)
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

    /// What the last store has broken; nil for nothing.
    var offence: String? {
      guard let description = machine.takeViolation()?.description else { return nil }
      return description.contains("while it was in use")
        ? "in use" : description.contains("before the flush") ? "no flush" : description
    }
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
      (4 * GiB | AArch64MMUTests.page | AArch64MMUTests.contiguous, true),
    ] as [(UInt64, Bool)])
  func aLivePageKeepsWhereItLeads(entry: UInt64, isViolation: Bool) throws {
    let stores = try Stores(Self.hardware)
    stores.store(1, 4 * GiB | Self.page)
    #expect(stores.offence == nil)
    stores.store(1, entry)
    #expect(stores.offence == (isViolation ? "in use" : nil))
  }

  /// A table and a block, either way; a table and another.
  @Test func aLiveEntryKeepsItsKind() throws {
    let stores = try Stores(Self.hardware)
    stores.store(2, 4 * GiB | Self.block)
    #expect(stores.offence == "in use")
    stores.store(2, (stores.tables.tables[1] ?? 0) | 3)
    #expect(stores.offence == "in use")
    stores.store(2, (stores.tables.tables[1] ?? 0) | 3 | 1 << 58)
    #expect(stores.offence == nil)
    stores.store(2, RawTables.free | 3)
    #expect(stores.offence == "in use")
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
    #expect(stores.offence == nil)
    stores.store(1, 0)
    stores.store(1, 4 * GiB + 4096 | Self.page)
    #expect(stores.offence == (flushes ? nil : "no flush"))
  }

  /// A table in a walk cache is something that there was, too.
  @Test(arguments: [false, true]) func aTableIsFlushedBeforeABlockIsThere(flushes: Bool) throws {
    let stores = try Stores(Self.hardware)
    #expect(stores.cause == .notPresent)
    stores.store(2, 0)
    if flushes { stores.machine.invalidatePage(at: VirtualAddress(Self.address)) }
    stores.store(2, 4 * GiB | Self.block)
    #expect(stores.offence == (flushes ? nil : "no flush"))
  }

  /// Who does not take part may hold anything.
  @Test func ofCPUsThatTakePart() throws {
    let stores = try Stores(Self.hardware)
    stores.store(1, 4 * GiB | Self.page)
    #expect(stores.cause == nil)
    for takesPart in [false, true] {
      stores.machine.takesPart = { _ in takesPart }
      stores.store(1, 0)
      #expect(stores.offence == nil)
      stores.store(1, 4 * GiB + 4096 | Self.page)
      #expect(stores.offence == (takesPart ? "no flush" : nil))
    }
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

  /// Who announces a page has read the tables on the way to it, whoever has linked them; not so its leaf, nor
  /// tables beside.
  @Test func aBarrierIsForWhatItsCPUHasRead() throws {
    var hardware = Self.hardware
    hardware.entriesNeedBarriers = true
    let stores = try Stores(hardware, cpuCount: 2)
    stores.store(3, 0)
    stores.machine.flushAll()
    stores.store(3, (stores.tables.tables[2] ?? 0) | 3)
    func announce(_ address: UInt64) {
      let machine = stores.machine.machine
      let range = cmachine_range(start: UInt(address), end: UInt(address + 4096))
      stores.machine.onCPU(1) { machine.afterMap?(machine.context, range, false) }
    }
    stores.machine.onCPU(1) { stores.store(1, 4 * GiB | Self.page) }
    announce(Self.address + GiB)
    #expect(stores.cause == .notPresent)
    announce(Self.address)
    #expect(stores.cause == nil)
    stores.store(1, 0)
    stores.machine.flushAll()
    stores.store(1, 4 * GiB | Self.page)
    announce(Self.address)
    #expect(stores.cause == .notPresent)
  }

  /// A flush, a notification and a new root are barriers, too: of the CPU that has stored the entry alone.
  @Test(arguments: 0..<3) func whatElseIsABarrier(number: Int) throws {
    var hardware = Self.hardware
    hardware.entriesNeedBarriers = true
    let stores = try Stores(hardware, cpuCount: 2)
    let machine = stores.machine.machine
    func order() throws {
      switch number {
      case 0: machine.flush(machine.context, nil, 0)
      case 1: machine.notify?(machine.context, 1)
      default: try stores.machine.loadRoot(PhysicalAddress(stores.tables.tables[4] ?? 0))
      }
    }
    stores.store(1, 4 * GiB | Self.page)
    try stores.machine.onCPU(1) { try order() }
    #expect(stores.cause == .notPresent)
    try order()
    #expect(stores.cause == nil)
  }
}
