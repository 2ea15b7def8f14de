import CMachine
import KernelMemory
import MachineSimulator
import Testing

/// What MMUs do unasked: between any two stores to entries they may translate, and forget.
@Suite struct SpeculationTests {
  private let old = GiB
  private let new = 5 * GiB

  /// Tables with the page next to `highAddress` mapped, so that the tables for that are there; a word of its
  /// own in each of three frames.
  private func make(_ speculation: Speculation, cpuCount: Int = 1) throws -> Tables {
    let tables = try Tables(cpuCount: cpuCount)
    for frame in [0, old, new] { tables[physical: frame] = frame + 1 }
    tables.map(highAddress + 4096, to: old)
    tables.machine.speculation = speculation
    return tables
  }

  /// Stores an entry as the core does.
  private func store(_ value: UInt64, level: Int = 1, _ tables: Tables, for address: UInt64 = highAddress) {
    let entry = tables.entry(level, for: address)
    tables[physical: entry] = value
    cmachine_entry_stored(UInt(tables.machine.linearMap.base.rawValue + entry))
  }

  private let flags = present | writable | user

  @Test func aGreedyMachineKnowsAPageThatNobodyHasUsed() throws {
    for (speculation, expected) in [(Speculation.greedy, nil), (.none, Fault.Cause.notPresent)] {
      let tables = try make(speculation, cpuCount: 2)
      store(old | flags, tables)
      tables[physical: tables.entry(1, for: highAddress)] = 0
      for cpu in 0..<2 { #expect(tables.machine.cause(.read, highAddress, cpu: cpu) == expected) }
    }
  }

  @Test func aGreedyMachineSeesTheFirstOfTwoStores() throws {
    for (speculation, frame) in [(Speculation.greedy, 0), (.none, new)] {
      let tables = try make(speculation)
      store(present | writable | user, tables)
      store(new | flags, tables)
      #expect(try tables.machine.read(highAddress) == frame + 1)
    }
  }

  @Test func aGreedyMachineTranslatesAgainAfterAFlushAndAFault() throws {
    let tables = try make(.greedy)
    store(old | present | user, tables)
    tables.machine.flushAll()
    tables[physical: tables.entry(1, for: highAddress)] = 0
    #expect(try tables.machine.read(highAddress) == old + 1)
    tables[physical: tables.entry(1, for: highAddress)] = new | present | user
    // The fault drops it, and what the tables say by now is there before the next access.
    #expect(tables.machine.cause(.write, highAddress) == .writeToReadOnly)
    tables[physical: tables.entry(1, for: highAddress)] = 0
    #expect(try tables.machine.read(highAddress) == new + 1)
  }

  @Test func aGreedyMachineLooksThroughATableThatIsLinked() throws {
    let tables = try make(.greedy)
    let far = highAddress + 2 * MiB
    let table = tables.makeTable()
    tables[physical: table + 8 * 7] = old | flags
    store(table | flags, level: 2, tables, for: far)
    tables[physical: table + 8 * 7] = 0
    let page = far & ~(2 * MiB - 1) + 7 * 4 * KiB
    #expect(try tables.machine.read(page) == old + 1)
    #expect(tables.machine.takeViolation() == nil)
  }

  /// What a table holds that is linked before it is cleared makes no sense.
  @Test func garbageInALinkedTableIsAViolation() throws {
    let tables = try make(.greedy)
    let table = tables.makeTable()
    tables[physical: table + 8 * 7] = 0xa5a5_a5a5_a5a5_a5a5
    store(table | flags, level: 2, tables, for: highAddress + 2 * MiB)
    #expect(tables.machine.takeViolation()?.description.contains("reservedBits") == true)
    #expect(tables.machine.takeViolation() == nil)
  }

  @Test func aForgetfulMachineKeepsNothing() throws {
    for (speculation, expected) in [(Speculation.forgetful, Fault.Cause.notPresent), (.none, nil)] {
      let tables = try make(speculation)
      store(old | flags, tables)
      #expect(try tables.machine.read(highAddress) == old + 1)
      tables[physical: tables.entry(1, for: highAddress)] = 0
      #expect(tables.machine.cause(.read, highAddress) == expected)
    }
  }

  /// A frame that is freed while a CPU still translates to it, which no access has shown.
  @Test func aCachedFrameThatIsFreeIsAViolation() throws {
    let tables = try make(.none, cpuCount: 2)
    var isFree = false
    tables.machine.isFrameFree = { [old] in isFree && $0 == PhysicalAddress(old).number(.size4K) }
    _ = try tables.machine.read(highAddress + 4096, cpu: 1)
    tables.machine.checkCaches()
    #expect(tables.machine.takeViolation() == nil)
    isFree = true
    tables.machine.checkCaches()
    #expect(tables.machine.takeViolation()?.cpu == 1)
    tables.machine.takesPart = { $0 == 0 }
    tables.machine.checkCaches()
    #expect(tables.machine.takeViolation() == nil)
  }

  /// So is one behind a table on the way; the linear map leads to all frames, and to free ones, too.
  @Test func aCachedTableThatIsFreeIsAViolationAndTheLinearMapIsNone() throws {
    let tables = try make(.none)
    let linear = tables.machine.linearMap.base.rawValue + old
    tables.map(linear, to: old)
    let frame = PhysicalAddress(old).number(.size4K)
    tables.machine.isFrameFree = { _ in false }
    _ = try tables.machine.read(linear)
    tables.machine.isFrameFree = { $0 == frame }
    tables.machine.checkCaches()
    #expect(tables.machine.takeViolation() == nil)
    let table = PhysicalAddress(tables.entry(1, for: linear)).number(.size4K)
    tables.machine.isFrameFree = { $0 == table }
    tables.machine.checkCaches()
    #expect(tables.machine.takeViolation()?.description.contains("level 1") == true)
  }

  @Test func whatIsKnownOfTablesGoesBackWithACheckpoint() throws {
    // Little RAM, since a checkpoint is a copy of it.
    let tables = try Tables(ram: [RAMRegion(PhysicalAddress(0), byteCount: MiB)])
    let old = 512 * KiB
    tables[physical: old] = old + 1
    tables.map(highAddress + 4096, to: old)
    tables.machine.speculation = .greedy
    let start = tables.machine.checkpoint()
    let far = highAddress + 2 * MiB
    store(tables.makeTable() | flags, level: 2, tables, for: far)
    store(old | flags, tables, for: far)
    tables.machine.restore(start)
    store(old | flags, tables)
    tables[physical: tables.entry(1, for: highAddress)] = 0
    #expect(try tables.machine.read(highAddress) == old + 1)
    #expect(tables.machine.cause(.read, far) == .notPresent)
  }
}
