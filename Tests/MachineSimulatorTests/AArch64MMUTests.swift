import KernelMemory
import MachineSimulator
import Testing

/// Descriptors of the Arm ARM (D8.3), bit by bit.
@Suite struct AArch64MMUTests {
  /// A granule, and what the manual says of it.
  struct Granule: Sendable, CustomTestStringConvertible {
    let pageSize: PageSize
    let levels: Int
    let rootBits: UInt64
    /// Of blocks, by level.
    let blocks: [Int: UInt64]
    /// Entries of a run, by level.
    let runs: [Int: UInt64]
    var shift: UInt64 { UInt64(pageSize.shift) }
    var testDescription: String { "\(pageSize.bytes >> 10) KiB" }
    /// In the upper half, whose addresses with the granule of 16 KiB have 48 bits, and 47 otherwise.
    var address: UInt64 { 0xffff_c987_6540_0000 + 5 << shift }
  }

  static let granules = [
    Granule(
      pageSize: .size4K, levels: 4, rootBits: 9, blocks: [2: 2 * MiB, 3: GiB], runs: [1: 16, 2: 16, 3: 16]),
    Granule(pageSize: .size16K, levels: 4, rootBits: 2, blocks: [2: 32 * MiB], runs: [1: 128, 2: 32]),
    Granule(pageSize: .size64K, levels: 3, rootBits: 6, blocks: [2: 512 * MiB], runs: [1: 32, 2: 32]),
  ]

  /// Valid, a page, AttrIndx 0, inner shareable, AF, UXN.
  static let page: UInt64 = 0x0040_0000_0000_0703
  static let block: UInt64 = 0x0040_0000_0000_0701
  static let readOnly: UInt64 = 1 << 7
  static let contiguous: UInt64 = 1 << 52

  private func make(_ granule: Granule, _ change: (inout Hardware) -> Void = { _ in }) throws -> RawTables {
    var hardware = Hardware.aarch64(granule: granule.pageSize)
    change(&hardware)
    return try RawTables(hardware, shift: granule.shift, rootBits: granule.rootBits)
  }

  private func set(_ tables: RawTables, _ granule: Granule, level: Int = 1, _ entry: UInt64) {
    tables.set(granule.address, level: level, entry) { $0 | 3 }
  }

  @Test(arguments: granules) func pagesAndBlocks(_ granule: Granule) throws {
    let tables = try make(granule)
    for (level, size) in [(1, granule.pageSize.bytes)] + granule.blocks.sorted(by: { $0.key < $1.key }) {
      set(tables, granule, level: level, 4 * GiB | (level == 1 ? Self.page : Self.block))
      let found = try tables.machine.translation(of: VirtualAddress(granule.address + 0x128))
      #expect(found.leafSize == size)
      #expect(found.physicalAddress.rawValue == 4 * GiB + granule.address % size + 0x128)
      #expect(found.isWritable && found.isExecutable && found.isGlobal && !found.isUser)
      #expect(found.memoryType == 0)
    }
  }

  /// The middle of the root is that of TTBR1; addresses of both halves have as many bits as T0SZ says.
  @Test(arguments: granules) func halves(_ granule: Granule) throws {
    let tables = try make(granule)
    let bits = granule.shift * UInt64(granule.levels) - 3 * UInt64(granule.levels - 1) + granule.rootBits
    #expect(bits == (granule.pageSize == .size16K ? 49 : 48))
    let lowest = 0 &- (UInt64(1) << (bits - 1))
    #expect(tables.machine.cause(.read, lowest) == .notPresent)
    #expect(tables.machine.cause(.read, lowest - 8) == .notCanonical)
    #expect(tables.machine.cause(.read, 1 << (bits - 1) - 8) == .notPresent)
    #expect(tables.machine.cause(.read, 1 << (bits - 1)) == .notCanonical)
    // What is wrong in the middle of the root is wrong for the lowest address of the upper half alone.
    let root = tables.tables[granule.levels] ?? 0
    tables[physical: root + UInt64(1) << (granule.rootBits + 2)] = 1
    #expect(tables.machine.cause(.read, lowest) == .reservedBits)
    #expect(tables.machine.cause(.read, 0) == .notPresent)
  }

  /// A bit that is RES0, or an encoding that is none, wherever it stands.
  @Test(arguments: granules) func whatNothingMayBe(_ granule: Granule) throws {
    let tables = try make(granule)
    // NS; above the physical addresses of 46 bits; RES0; a block, without a table's bit, of the lowest level.
    for wrong in [1 << 5, 1 << 46, 1 << 47, 1 << 48, 1 << 49, 1 << 50] as [UInt64] {
      set(tables, granule, 4 * GiB | Self.page | wrong)
      #expect(tables.machine.cause(.read, granule.address) == .reservedBits, "bit \(wrong)")
    }
    set(tables, granule, 4 * GiB | Self.block)
    #expect(tables.machine.cause(.read, granule.address) == .reservedBits)
    // Shareability 01, and an attribute that MAIR_EL1 has not.
    set(tables, granule, 4 * GiB | Self.page & ~0x200)
    #expect(tables.machine.cause(.read, granule.address) == .reservedBits)
    set(tables, granule, 4 * GiB | Self.page | 5 << 2)
    #expect(tables.machine.cause(.read, granule.address) == .reservedBits)
    // A block below whose size the address says something; one of a level that has none.
    for (level, size) in granule.blocks {
      set(tables, granule, level: level, 4 * GiB | Self.block | size >> 1)
      #expect(tables.machine.cause(.read, granule.address) == .reservedBits)
    }
    for level in 2...granule.levels where granule.blocks[level] == nil {
      set(tables, granule, level: level, 4 * GiB | Self.block)
      #expect(tables.machine.cause(.read, granule.address) == .reservedBits)
    }
    // What software has, and PBHA, is nobody's business.
    set(tables, granule, 4 * GiB | Self.page | 0xf780_0000_0000_0000)
    #expect(tables.machine.cause(.read, granule.address) == nil)
  }

  @Test(arguments: granules[1...]) func anEntryOfATableMayNotSayMoreOfItsAddress(_ granule: Granule) throws {
    let tables = try make(granule)
    for bit in 12..<granule.shift {
      tables.set(granule.address, 4 * GiB | Self.page) { $0 | 3 | 1 << bit }
      #expect(tables.machine.cause(.read, granule.address) == .reservedBits)
    }
  }

  @Test(arguments: granules) func theAccessFlag(_ granule: Granule) throws {
    let entry = 4 * GiB | Self.page & ~(1 << 10)
    let faults = try make(granule)
    set(faults, granule, entry)
    for access in Fault.Access.allCases {
      #expect(faults.machine.cause(access, granule.address) == .accessedClear)
    }
    #expect(faults[physical: faults.place(1, granule.address)] == entry)
    let sets = try make(granule) { $0.setsAccessedAndDirty = true }
    set(sets, granule, entry)
    #expect(sets.machine.cause(.read, granule.address) == nil)
    #expect(sets[physical: sets.place(1, granule.address)] == entry | 1 << 10)
  }

  /// FEAT_HAFDBS: DBM makes the read-only bit one that says "not written to yet".
  @Test func theDirtyBitModifier() throws {
    let granule = Self.granules[0]
    let entry = 4 * GiB | Self.page | Self.readOnly | 1 << 51
    for sets in [false, true] {
      let tables = try make(granule) { $0.setsAccessedAndDirty = sets }
      set(tables, granule, entry)
      #expect(tables.machine.cause(.read, granule.address) == nil)
      #expect(tables[physical: tables.place(1, granule.address)] == entry)
      #expect(tables.machine.cause(.write, granule.address) == (sets ? nil : .writeToReadOnly))
      #expect(
        tables[physical: tables.place(1, granule.address)] == (sets ? entry & ~Self.readOnly : entry))
    }
  }

  @Test(arguments: granules) func rights(_ granule: Granule) throws {
    let tables = try make(granule)
    func rights(_ entry: UInt64, table: UInt64 = 0) throws -> [Bool] {
      tables.set(granule.address, 4 * GiB | entry) { $0 | 3 | table }
      let found = try tables.machine.translation(of: VirtualAddress(granule.address))
      return [found.isWritable, found.isExecutable, found.isUser]
    }
    #expect(try rights(Self.page) == [true, true, false])
    #expect(try rights(Self.page | Self.readOnly) == [false, true, false])
    #expect(try rights(Self.page | 1 << 53) == [true, false, false])
    // What EL0 may write, EL1 never executes.
    #expect(try rights(Self.page | 1 << 6) == [true, false, true])
    #expect(try rights(Self.page | 1 << 6 | Self.readOnly) == [false, true, true])
    // APTable, PXNTable.
    #expect(try rights(Self.page | 1 << 6, table: 1 << 61) == [true, true, false])
    #expect(try rights(Self.page, table: 1 << 62) == [false, true, false])
    #expect(try rights(Self.page, table: 1 << 59) == [true, false, false])
  }

  /// Any of the entries may translate for all.
  @Test(arguments: granules) func runsAreConsistent(_ granule: Granule) throws {
    let tables = try make(granule)
    for (level, count) in granule.runs {
      let size = level == 1 ? granule.pageSize.bytes : granule.blocks[level] ?? 0
      let kind = (level == 1 ? Self.page : Self.block) | Self.contiguous
      let first = granule.address & ~(count * size - 1)
      func fill(_ start: UInt64) {
        set(tables, granule, level: level, 0)
        for entry in 0..<count {
          tables[physical: tables.place(level, first + entry * size)] = start + entry * size | kind
        }
        tables.machine.flushAll()
      }
      fill(0)
      #expect(try tables.machine.translation(of: VirtualAddress(granule.address)).leafSize == count * size)
      #expect(tables.machine.cause(.read, first) == nil)
      // One that is not there yet is translated by another all the same.
      tables[physical: tables.place(level, first + (count - 1) * size)] = 0
      tables.machine.flushAll()
      #expect(try tables.machine.translation(of: VirtualAddress(first)).leafSize == count * size)
      // One alone, read-only, elsewhere, of another type, not global; and a run at no multiple of its size.
      for wrong in [
        (count - 1) * size | kind & ~Self.contiguous, (count - 1) * size | kind | Self.readOnly,
        count * size | kind, (count - 1) * size | kind | 1 << 2, (count - 1) * size | kind | 1 << 11,
      ] {
        fill(0)
        tables[physical: tables.place(level, first + (count - 1) * size)] = wrong
        #expect(tables.machine.cause(.read, first) == .inconsistentRun)
      }
      fill(size)
      #expect(tables.machine.cause(.read, first) == .inconsistentRun)
    }
  }

  /// A run is one translation: a flush of any of its pages drops it whole, and without one it stays.
  @Test func aRunIsOneTranslation() throws {
    let granule = Self.granules[0]
    let tables = try make(granule)
    set(tables, granule, 0)
    let first = granule.address & ~(64 * KiB - 1)
    for page in 0..<UInt64(16) {
      tables[physical: tables.place(1, first + page * 4096)] =
        4 * GiB + page * 4096 | Self.page | Self.contiguous
    }
    #expect(tables.machine.cause(.read, first) == nil)
    for page in 0..<UInt64(16) { tables[physical: tables.place(1, first + page * 4096)] = 0 }
    #expect(tables.machine.cause(.read, first + 9 * 4096) == nil)
    tables.machine.invalidatePage(at: VirtualAddress(first + 3 * 4096))
    #expect(tables.machine.cause(.read, first + 9 * 4096) == .notPresent)
  }

  @Test func onlyItsOwnLevels() {
    for (granule, levels) in [(PageSize.size4K, 3), (.size16K, 3), (.size64K, 4)] {
      var hardware = Hardware.aarch64(granule: granule)
      hardware.pagingLevels = levels
      #expect(throws: SimulatedMachineError.pagingLevels(levels)) {
        try SimulatedMachine(ram: [RAMRegion(PhysicalAddress(0), byteCount: MiB)], hardware: hardware)
      }
    }
  }
}
