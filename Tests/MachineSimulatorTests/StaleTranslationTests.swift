import KernelMemory
import MachineSimulator
import Testing

/// What a CPU keeps, and what it must not keep.
@Suite struct StaleTranslationTests {
  static let old = GiB
  static let new = 5 * GiB

  /// A machine whose old and new target hold their own addresses in their first page.
  private func makeTables(level: Int = 1, cpuCount: Int = 1) throws -> Tables {
    let tables = try Tables(cpuCount: cpuCount)
    tables[physical: Self.old] = Self.old
    tables[physical: Self.new] = Self.new
    tables.map(base(level), to: Self.old, level: level)
    return tables
  }

  private func base(_ level: Int) -> UInt64 { highAddress & ~(leafSize(level) - 1) }

  @Test(arguments: 1...3) func aChangedLeafIsStaleUntilItIsInvalidated(level: Int) throws {
    let tables = try makeTables(level: level)
    let address = base(level)
    #expect(try tables.machine.read(address) == Self.old)
    tables.map(address, to: Self.new, level: level)
    #expect(try tables.machine.read(address) == Self.old)
    #expect(
      try tables.machine.translation(of: VirtualAddress(address)).physicalAddress
        == PhysicalAddress(Self.new))
    tables.machine.invalidatePage(at: VirtualAddress(address))
    #expect(try tables.machine.read(address) == Self.new)
  }

  @Test(arguments: 1...3) func aClearedLeafIsUsedUntilItIsInvalidated(level: Int) throws {
    let tables = try makeTables(level: level)
    let address = base(level)
    for access in Fault.Access.allCases { #expect(tables.machine.cause(access, address) == nil) }
    tables[physical: tables.entry(level, for: address)] = 0
    for access in Fault.Access.allCases { #expect(tables.machine.cause(access, address) == nil) }
    // Any address of a large page stands for all of it.
    tables.machine.invalidatePage(at: VirtualAddress(address + leafSize(level) - 1))
    for access in Fault.Access.allCases { #expect(tables.machine.cause(access, address) == .notPresent) }
  }

  @Test func rightsTakenAwayAreStaleToo() throws {
    let tables = try makeTables()
    #expect(tables.machine.cause(.read, highAddress) == nil)
    tables.map(highAddress, to: Self.old, flags: present | noExecute)
    #expect(tables.machine.cause(.write, highAddress) == nil)
    #expect(tables.machine.cause(.execute, highAddress) == nil)
    tables.machine.invalidatePage(at: VirtualAddress(highAddress))
    #expect(tables.machine.cause(.write, highAddress) == .writeToReadOnly)
    #expect(tables.machine.cause(.execute, highAddress) == .executeOfNoExecute)
  }

  /// Rights given may fault once; the fault drops what was cached for the address, and only that.
  @Test func rightsGivenFaultAtMostOnce() throws {
    let tables = try makeTables()
    let neighbour = highAddress + 4096
    for address in [highAddress, neighbour] {
      tables.map(address, to: Self.old, flags: present | noExecute)
      #expect(tables.machine.cause(.read, address) == nil)
      tables.map(address, to: Self.old)
    }
    let fault = tables.machine.fault(.write, highAddress)
    #expect(fault?.cause == .writeToReadOnly)
    #expect(fault?.usedCache == true)
    #expect(tables.machine.cause(.write, highAddress) == nil)
    #expect(tables.machine.cause(.execute, neighbour) == .executeOfNoExecute)
    #expect(tables.machine.cause(.execute, neighbour) == nil)
  }

  /// SDM 4.10.4.3: making an entry present, at any level, needs no flush.
  @Test(arguments: 1...4) func whatIsNotPresentIsNeverCached(level: Int) throws {
    let tables = try makeTables()
    let entry = tables.entry(level, for: highAddress)
    let bits = tables[physical: entry]
    tables[physical: entry] = 0
    for _ in 1...2 { #expect(tables.machine.cause(.read, highAddress) == .notPresent) }
    tables[physical: entry] = bits
    #expect(try tables.machine.read(highAddress) == Self.old)
  }

  /// Nothing is cached from an entry with a reserved bit, either.
  @Test(arguments: 1...4) func whatIsMalformedIsNeverCached(level: Int) throws {
    let tables = try makeTables()
    let entry = tables.entry(level, for: highAddress)
    tables[physical: entry] |= 1 << 51
    #expect(tables.machine.cause(.read, highAddress) == .reservedBits)
    tables[physical: entry] &= ~(1 << 51)
    #expect(try tables.machine.read(highAddress) == Self.old)
  }

  /// The smaller page was there first: a large one that replaces it does not show for its address.
  @Test func aSmallPageOutlivesTheLargeOneThatReplacesIt() throws {
    let tables = try makeTables()
    #expect(try tables.machine.read(highAddress) == Self.old)
    let large = base(2)
    tables.map(large, to: Self.new, level: 2)
    tables.machine.invalidatePage(at: VirtualAddress(lowAddress))  // only for the cached tables
    #expect(try tables.machine.read(large) == Self.new)
    #expect(try tables.machine.read(highAddress) == Self.old)
    tables.machine.invalidatePage(at: VirtualAddress(highAddress))
    #expect(try tables.machine.read(highAddress) == tables[physical: Self.new + highAddress - large])
  }

  /// Splitting a large page without a flush: the large one answers for all of it.
  @Test func aLargePageHidesTheSmallOnesThatReplaceIt() throws {
    let tables = try makeTables(level: 2)
    #expect(try tables.machine.read(base(2)) == Self.old)
    tables[physical: tables.entry(2, for: highAddress)] = 0
    tables.map(highAddress, to: Self.new)
    tables[physical: Self.old + highAddress - base(2)] = 77
    #expect(try tables.machine.read(highAddress) == 77)
    tables.machine.invalidatePage(at: VirtualAddress(base(2)))
    #expect(try tables.machine.read(highAddress) == Self.new)
  }

  @Test func eachCPUHasItsOwn() throws {
    let tables = try makeTables(cpuCount: 2)
    for cpu in 0...1 { #expect(try tables.machine.read(highAddress, cpu: cpu) == Self.old) }
    tables.map(highAddress, to: Self.new)
    tables.machine.invalidatePage(at: VirtualAddress(highAddress), cpu: 0)
    #expect(try tables.machine.read(highAddress, cpu: 0) == Self.new)
    #expect(try tables.machine.read(highAddress, cpu: 1) == Self.old)
    tables.machine.flushAll(cpu: 1)
    #expect(try tables.machine.read(highAddress, cpu: 1) == Self.new)
  }
}
