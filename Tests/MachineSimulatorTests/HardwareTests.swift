import CMachine
import KernelMemory
import MachineSimulator
import Testing

/// Where architectures, and machines of one, differ.
@Suite struct HardwareTests {
  private func make(_ change: (inout Hardware) -> Void) throws -> Tables {
    var hardware = Hardware()
    change(&hardware)
    let tables = try Tables(hardware: hardware)
    for frame in [GiB, 5 * GiB] { tables[physical: frame] = frame }
    tables.map(highAddress, to: GiB)
    #expect(try tables.machine.read(highAddress) == GiB)
    return tables
  }

  /// An invalidation of another page leaves the table that a CPU has in its walk cache.
  @Test func anInvalidationMayDropTheTablesOfItsAddressAlone() throws {
    for (drop, expected) in [(Hardware.TableDrop.ofAddress, GiB), (.all, 5 * GiB)] {
      let tables = try make { $0.tableDrop = drop }
      tables.map(highAddress + 4096, to: GiB)
      tables[physical: tables.entry(2, for: highAddress)] = 0
      tables.map(highAddress + 4096, to: 5 * GiB)
      tables.machine.invalidatePage(at: VirtualAddress(lowAddress))
      #expect(try tables.machine.read(highAddress + 4096) == expected)
      tables.machine.invalidatePage(at: VirtualAddress(highAddress + 4096))
      #expect(try tables.machine.read(highAddress + 4096) == 5 * GiB)
    }
  }

  @Test func absentEntriesMayBeRememberedUntilTheyAreAnnounced() throws {
    for remembers in [false, true] {
      let tables = try make { $0.cachesAbsentEntries = remembers }
      let page = highAddress + 4096
      #expect(tables.machine.cause(.read, page) == .notPresent)
      tables.map(page, to: 5 * GiB)
      #expect(tables.machine.cause(.read, page) == (remembers ? .notPresent : nil))
      let machine = tables.machine.machine
      #expect((machine.afterMap != nil) == remembers)
      machine.afterMap?(machine.context, cmachine_range(start: UInt(page), end: UInt(page + 4096)), false)
      #expect(try tables.machine.read(page) == 5 * GiB)
    }
  }

  @Test func aFlushForgetsAbsenceToo() throws {
    let tables = try make { $0.cachesAbsentEntries = true }
    let page = highAddress + 4096
    #expect(tables.machine.cause(.read, page) == .notPresent)
    tables.map(page, to: 5 * GiB)
    tables.machine.invalidatePage(at: VirtualAddress(page))
    #expect(try tables.machine.read(page) == 5 * GiB)
  }

  @Test func aFaultMayLeaveWhatIsCached() throws {
    for drops in [false, true] {
      let tables = try make { $0.faultsDropTranslations = drops }
      tables.map(highAddress, to: GiB, flags: present)
      tables.machine.flushAll()
      _ = try tables.machine.read(highAddress)
      #expect(tables.machine.cause(.write, highAddress) == .writeToReadOnly)
      tables.map(highAddress, to: GiB)
      #expect(tables.machine.cause(.write, highAddress) == (drops ? nil : .writeToReadOnly))
    }
  }

  /// A large page beside a small one of the same address.
  @Test func eitherOfTwoSizesMayBeUsed() throws {
    for (choice, expected) in [(Hardware.SizeChoice.smallest, GiB), (.largest, 5 * GiB)] {
      let tables = try make { $0.sizeChoice = choice }
      let first = highAddress & ~(2 * MiB - 1)
      tables.map(first, to: 5 * GiB, level: 2)
      tables[physical: 5 * GiB + highAddress - first] = 5 * GiB
      // Drops the table that the small page was found in, and leaves the page.
      tables.machine.invalidatePage(at: VirtualAddress(lowAddress))
      _ = try tables.machine.read(first)
      #expect(try tables.machine.read(highAddress) == expected)
    }
  }

  @Test func gigabytePagesAreReservedWhereTheCPUHasNone() throws {
    for has in [false, true] {
      let tables = try make { $0.hasGigabytePages = has }
      tables.map(lowAddress & ~(GiB - 1), to: GiB, level: 3)
      #expect(tables.machine.cause(.read, lowAddress & ~(GiB - 1)) == (has ? nil : .reservedBits))
    }
  }

  /// What the manager does through the linear map, and the process does not check.
  @Test func aLinearMapThatIsWrongIsFound() throws {
    for (flags, offset, isRight) in [
      (present | writable, UInt64(0), true), (present, 0, false), (present | writable | 0x10, 0, false),
      (present | writable, 2 * MiB, false),
    ] {
      let tables = try Tables(ram: [RAMRegion(PhysicalAddress(0), byteCount: 4 * MiB)])
      let base = tables.machine.linearMap.base.rawValue
      for frame in [0, 2 * MiB] {
        tables.map(base + frame, to: (frame + offset) % (4 * MiB), level: 2, flags: flags)
      }
      #expect((tables.machine.linearMapProblem { _ in true } == nil) == isRight)
      #expect(tables.machine.linearMapProblem { _ in false } == nil)
    }
    let empty = try Tables(ram: [RAMRegion(PhysicalAddress(0), byteCount: 4 * MiB)])
    #expect(empty.machine.linearMapProblem { $0.rawValue == 1 }?.contains("notPresent") == true)
  }
}
