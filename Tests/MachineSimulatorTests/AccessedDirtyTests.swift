import KernelMemory
import MachineSimulator
import Testing

@Suite struct AccessedDirtyTests {
  private func flags(_ tables: Tables, leaf: Int) -> [UInt64] {
    (leaf...4).map { tables[physical: tables.entry($0, for: highAddress)] & (accessed | dirty) }
  }

  @Test(arguments: [Fault.Access.read, .execute], 1...3)
  func readsSetAccessedOnTheWholeWay(access: Fault.Access, leaf: Int) throws {
    let tables = try Tables()
    tables.map(highAddress, to: GiB, level: leaf)
    _ = try tables.machine.translation(of: VirtualAddress(highAddress))
    #expect(flags(tables, leaf: leaf).allSatisfy { $0 == 0 })
    #expect(tables.machine.cause(access, highAddress) == nil)
    #expect(flags(tables, leaf: leaf).allSatisfy { $0 == accessed })
  }

  @Test(arguments: 1...3, [false, true])
  func writesSetDirtyInTheLeaf(leaf: Int, afterARead: Bool) throws {
    let tables = try Tables()
    tables.map(highAddress, to: GiB, level: leaf)
    if afterARead { #expect(tables.machine.cause(.read, highAddress) == nil) }
    #expect(tables.machine.cause(.write, highAddress) == nil)
    #expect(flags(tables, leaf: leaf).first == accessed | dirty)
    #expect(flags(tables, leaf: leaf).dropFirst().allSatisfy { $0 == accessed })
    #expect(tables.machine.counters.walks == 1)
  }

  @Test func setsOnlyTheFlags() throws {
    let tables = try Tables()
    let ignored: UInt64 = 0x7ff0_0000_0000_0e00
    tables.map(highAddress, to: GiB, flags: present | writable | ignored)
    let entry = tables.entry(1, for: highAddress)
    let before = tables[physical: entry]
    #expect(tables.machine.cause(.write, highAddress) == nil)
    #expect(tables[physical: entry] == before | accessed | dirty)
  }

  @Test func aWriteThatFaultsDoesNotDirty() throws {
    let tables = try Tables()
    tables.map(highAddress, to: GiB, flags: present)
    #expect(tables.machine.cause(.write, highAddress) == .writeToReadOnly)
    #expect(flags(tables, leaf: 1).first == accessed)
  }

  @Test func aWalkThatFailsHasAccessedWhatItUsed() throws {
    let tables = try Tables()
    tables.map(highAddress, to: GiB, flags: 0)
    #expect(tables.machine.cause(.read, highAddress) == .notPresent)
    #expect(flags(tables, leaf: 1) == [0, accessed, accessed, accessed])
  }

  @Test(arguments: 1...3) func setsNothingWhereNotAsked(leaf: Int) throws {
    let tables = try Tables(setsAccessedAndDirty: false)
    tables.map(highAddress, to: GiB, level: leaf)
    #expect(tables.machine.cause(.read, highAddress) == nil)
    #expect(tables.machine.cause(.write, highAddress) == nil)
    #expect(flags(tables, leaf: leaf).allSatisfy { $0 == 0 })
  }

  /// The dirty flag is cached: software that clears it without a flush does not see it set again.
  @Test func aClearedDirtyFlagStaysClearUntilTheFlush() throws {
    let tables = try Tables()
    tables.map(highAddress, to: GiB)
    let entry = tables.entry(1, for: highAddress)
    #expect(tables.machine.cause(.write, highAddress) == nil)
    tables[physical: entry] &= ~dirty
    #expect(tables.machine.cause(.write, highAddress) == nil)
    #expect(tables[physical: entry] & dirty == 0)
    tables.machine.invalidatePage(at: VirtualAddress(highAddress))
    #expect(tables.machine.cause(.write, highAddress) == nil)
    #expect(tables[physical: entry] & dirty == dirty)
  }

  /// A write through a stale translation must not scribble over what has taken the place of the entry.
  @Test(arguments: [0, GiB + 4096 | 3, 0xdead_beef]) func staleWritesLeaveANewEntryAlone(new: UInt64) throws {
    let tables = try Tables()
    tables.map(highAddress, to: GiB)
    let entry = tables.entry(1, for: highAddress)
    #expect(tables.machine.cause(.read, highAddress) == nil)
    tables[physical: entry] = new
    tables[physical: GiB] = 1
    #expect(tables.machine.cause(.write, highAddress) == nil)
    #expect(tables[physical: GiB] == 0)
    #expect(tables[physical: entry] == new)
  }
}
