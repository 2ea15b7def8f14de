import CMachine
import KernelMemory
import MachineSimulator
import Testing

/// One frame reached by pages of several memory types.
@Suite struct TypeConflictTests {
  private static let writeBack = highAddress
  private static let combining = highAddress + 4096
  private static let uncached = highAddress + 2 * 4096

  /// All three lead to one frame, whose cache holds nothing.
  private func make() throws -> Tables {
    let tables = try Tables()
    tables.machine.hasIncoherentCache = true
    tables.machine.typeConflictsAreFaults = true
    tables.map(Self.writeBack, to: GiB)
    tables.map(Self.combining, to: GiB, flags: present | writable | 0x8)
    tables.map(Self.uncached, to: GiB, flags: present | writable | 0x18)
    return tables
  }

  private func clean(_ tables: Tables) {
    let machine = tables.machine.machine
    let start = UInt(tables.machine.linearMap.virtualAddress(of: PhysicalAddress(GiB)).rawValue)
    machine.cleanMemory?(machine.context, cmachine_range(start: start, end: start + 4096))
  }

  @Test func mappingsAreNone() throws {
    let tables = try make()
    for _ in 0..<2 { #expect(tables.machine.cause(.write, Self.uncached) == nil) }
    #expect(tables.machine.cause(.read, Self.uncached) == nil)
  }

  @Test(arguments: Fault.Access.allCases) func accessesOfTwoTypesAre(access: Fault.Access) throws {
    let tables = try make()
    #expect(tables.machine.cause(.read, Self.uncached) == nil)
    for other in [Self.writeBack, Self.combining] {
      let fault = try #require(tables.machine.fault(access, other))
      #expect(fault.cause == .typeConflict)
      #expect(fault.level == 0)
      #expect(fault.physicalAddress == PhysicalAddress(GiB))
    }
    #expect(tables.machine.counters.faults(.typeConflict) == 2)
    #expect(tables.machine.cause(access, Self.uncached) == nil)
    // Its neighbour is another frame.
    tables.map(Self.writeBack + 5 * 4096, to: GiB + 4096)
    #expect(tables.machine.cause(access, Self.writeBack + 5 * 4096) == nil)
  }

  @Test func aDirtyLineIsOne() throws {
    let tables = try make()
    #expect(tables.machine.cause(.write, Self.writeBack) == nil)
    tables[physical: GiB + 4088] = 7
    #expect(tables.machine.cause(.read, Self.uncached) == .typeConflict)
    clean(tables)
    #expect(try tables.machine.read(Self.uncached + 4088) == 7)
  }

  @Test func aCleaningIsBetweenThem() throws {
    let tables = try make()
    for page in [Self.uncached, Self.combining, Self.writeBack, Self.uncached] {
      #expect(tables.machine.cause(.write, page) == nil)
      clean(tables)
    }
    #expect(tables.machine.counters.faults(.typeConflict) == 0)
  }

  /// Lines that have gone by themselves were still accessed by another type.
  @Test func anEvictionIsNone() throws {
    let tables = try make()
    #expect(tables.machine.cause(.write, Self.uncached) == nil)
    tables.machine.evictCaches()
    #expect(tables.machine.cause(.read, Self.writeBack) == .typeConflict)
  }

  @Test func aCheckpointHoldsTheTypes() throws {
    let ram = [RAMRegion(PhysicalAddress(0), byteCount: 4 * MiB)]
    let tables = try Tables(ram: ram)
    tables.machine.hasIncoherentCache = true
    tables.machine.typeConflictsAreFaults = true
    tables.map(Self.writeBack, to: MiB)
    tables.map(Self.uncached, to: MiB, flags: present | writable | 0x18)
    let before = tables.machine.checkpoint()
    try tables.machine.store(UInt64(5), at: VirtualAddress(Self.uncached))
    let after = tables.machine.checkpoint()
    tables.machine.restore(before)
    #expect(try tables.machine.read(Self.writeBack) == 0)
    tables.machine.restore(after)
    #expect(tables.machine.cause(.read, Self.writeBack) == .typeConflict)
    #expect(try tables.machine.read(Self.uncached) == 5)
  }

  @Test func nothingIsOneWhereNobodyLooks() throws {
    let tables = try make()
    tables.machine.typeConflictsAreFaults = false
    for page in [Self.uncached, Self.combining, Self.writeBack] {
      #expect(tables.machine.cause(.write, page) == nil)
    }
    let coherent = try Tables()
    coherent.machine.typeConflictsAreFaults = true
    #expect(!coherent.machine.typeConflictsAreFaults)
  }
}
