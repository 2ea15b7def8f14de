import KernelMemory
import MachineSimulator
import Testing

/// The paging-structure caches: tables that a CPU remembers after their parent has forgotten them.
@Suite struct StaleTableTests {
  static let old = GiB
  static let new = 5 * GiB

  /// The address with the next index in the table of a level, and the same indices above it.
  private func neighbour(_ level: Int) -> UInt64 { highAddress + 1 << UInt64(12 + 9 * (level - 1)) }

  /// Two pages under one table of `level`, the first of them used, so that the table is cached. Then the
  /// parent of that table names another one instead, where the second page is elsewhere.
  private func replaceTable(ofLevel level: Int) throws -> Tables {
    let tables = try Tables()
    tables[physical: Self.old] = Self.old
    tables[physical: Self.new] = Self.new
    tables.map(highAddress, to: Self.old)
    tables.map(neighbour(level), to: Self.old)
    #expect(try tables.machine.read(highAddress) == Self.old)

    tables[physical: tables.entry(level + 1, for: highAddress)] = 0
    tables.map(neighbour(level), to: Self.new)
    return tables
  }

  @Test(arguments: 1...3) func aReplacedTableIsWalkedUntilAnyPageIsInvalidated(level: Int) throws {
    let tables = try replaceTable(ofLevel: level)
    #expect(try tables.machine.read(neighbour(level)) == Self.old)

    let again = try replaceTable(ofLevel: level)
    again.machine.invalidatePage(at: VirtualAddress(lowAddress))
    #expect(try again.machine.read(neighbour(level)) == Self.new)
  }

  @Test(arguments: 1...3) func aTableWhoseParentWasClearedIsStillWalked(level: Int) throws {
    let tables = try replaceTable(ofLevel: level)
    tables[physical: tables.entry(level + 1, for: highAddress)] = 0
    let walks = tables.machine.counters.walks
    #expect(try tables.machine.read(neighbour(level)) == Self.old)
    #expect(tables.machine.counters.walks == walks + 1)
    tables.machine.invalidatePage(at: VirtualAddress(neighbour(level)))
    #expect(tables.machine.cause(.read, neighbour(level)) == .notPresent)
  }

  /// The stale table is read, but its entries are read afresh.
  @Test func aCachedTableIsNoCopyOfItsEntries() throws {
    let tables = try replaceTable(ofLevel: 1)
    #expect(try tables.machine.read(neighbour(1)) == Self.old)
    #expect(tables.machine.cause(.read, neighbour(1) + 4096) == .notPresent)
  }

  /// The rights of the entries above a cached table are cached with it.
  @Test(arguments: 1...3) func theRightsAboveATableAreStaleWithIt(level: Int) throws {
    let tables = try Tables()
    tables.map(highAddress, to: Self.old)
    tables.map(neighbour(level), to: Self.old)
    #expect(tables.machine.cause(.read, highAddress) == nil)
    tables[physical: tables.entry(level + 1, for: highAddress)] &= ~writable
    #expect(tables.machine.cause(.write, neighbour(level)) == nil)
    tables.machine.invalidatePage(at: VirtualAddress(neighbour(level)))
    #expect(tables.machine.cause(.write, neighbour(level)) == .writeToReadOnly)
  }

  /// They hold for all pages of the table, and once more after they were given.
  @Test(arguments: 1...3) func theRightsAboveATableHoldForItsOtherPages(level: Int) throws {
    let tables = try Tables()
    tables.map(highAddress, to: Self.old)
    tables.map(neighbour(level), to: Self.old)
    let parent = tables.entry(level + 1, for: highAddress)
    tables[physical: parent] ^= writable | noExecute
    #expect(tables.machine.cause(.read, highAddress) == nil)
    tables[physical: parent] ^= writable | noExecute
    let fault = tables.machine.fault(.write, neighbour(level))
    #expect(fault?.cause == .writeToReadOnly)
    #expect(fault?.usedCache == true)
    #expect(tables.machine.cause(.write, neighbour(level)) == nil)
    #expect(tables.machine.cause(.execute, neighbour(level)) == nil)
  }

  /// A fault in a stale table drops it: the access that is tried again meets the new one.
  @Test(arguments: 1...3) func aFaultDropsTheTablesOfItsAddress(level: Int) throws {
    let tables = try Tables()
    tables[physical: Self.new] = Self.new
    tables.map(highAddress, to: Self.old)
    #expect(tables.machine.cause(.read, highAddress) == nil)
    tables[physical: tables.entry(level + 1, for: highAddress)] = 0
    tables.map(neighbour(level), to: Self.new)
    let fault = tables.machine.fault(.read, neighbour(level))
    #expect(fault?.cause == .notPresent)
    #expect(fault?.usedCache == true)
    #expect(try tables.machine.read(neighbour(level)) == Self.new)
  }

  /// INVLPG takes all cached tables with it, but no leaf of another page.
  @Test func invalidatingAPageKeepsTheLeavesOfOthers() throws {
    let tables = try Tables()
    tables[physical: Self.old] = Self.old
    let others = [highAddress + 4096, base(2) + leafSize(2), base(3) + leafSize(3)]
    tables.map(highAddress, to: Self.old)
    for (index, other) in others.enumerated() {
      tables.map(other, to: Self.old, level: index + 1)
      #expect(try tables.machine.read(other) == Self.old)
    }
    tables[physical: tables.entry(4, for: highAddress)] = 0
    tables.machine.invalidatePage(at: VirtualAddress(highAddress))
    for other in others { #expect(try tables.machine.read(other) == Self.old) }
    #expect(tables.machine.cause(.read, highAddress) == .notPresent)
  }

  private func base(_ level: Int) -> UInt64 { highAddress & ~(leafSize(level) - 1) }
}
