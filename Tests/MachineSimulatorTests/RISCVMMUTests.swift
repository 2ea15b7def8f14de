import KernelMemory
import MachineSimulator
import Testing

/// Entries of the privileged architecture (12.3 to 12.6), bit by bit.
@Suite struct RISCVMMUTests {
  static let modes = [3, 4, 5]
  /// V, R, W, G, A, D.
  static let page: UInt64 = 0xe7
  static let execute: UInt64 = 8
  static let contiguous: UInt64 = 1 << 63
  private static let address: UInt64 = 0xffff_ffc9_8765_2000

  private func make(_ levels: Int, _ change: (inout Hardware) -> Void = { _ in }) throws -> RawTables {
    var hardware = Hardware.riscv64(levels: levels)
    change(&hardware)
    return try RawTables(hardware)
  }

  /// An entry's bits for an address.
  private func ppn(_ address: UInt64) -> UInt64 { address >> 2 }

  private func set(_ tables: RawTables, level: Int = 1, _ entry: UInt64) {
    tables.set(Self.address, level: level, entry) { $0 >> 2 | 1 }
  }

  /// A leaf of any level.
  @Test(arguments: modes) func pagesOfAllSizes(levels: Int) throws {
    let tables = try make(levels)
    for level in 1...levels {
      let size = UInt64(1) << UInt64(12 + 9 * (level - 1))
      let start = size < 8 * GiB ? 4 * GiB : 0
      set(tables, level: level, ppn(start) | Self.page)
      let found = try tables.machine.translation(of: VirtualAddress(Self.address + 0x128))
      #expect(found.leafSize == size)
      #expect(found.physicalAddress.rawValue == start + (Self.address + 0x128) & (size - 1))
      #expect(found.isWritable && !found.isExecutable && found.isGlobal && !found.isUser)
    }
  }

  @Test(arguments: modes) func addressesHaveAsManyBitsAsTheModeHas(levels: Int) throws {
    let tables = try make(levels)
    let half = UInt64(1) << UInt64(12 + 9 * levels - 1)
    #expect(tables.machine.cause(.read, half - 8) == .notPresent)
    #expect(tables.machine.cause(.read, half) == .notCanonical)
    #expect(tables.machine.cause(.read, 0 &- half) == .notPresent)
    #expect(tables.machine.cause(.read, 0 &- half &- 8) == .notCanonical)
    // What the process has of it is its own.
    #expect(tables.machine.linearMap.base.rawValue + tables.machine.linearMap.limit.rawValue <= half)
  }

  @Test(arguments: modes) func whatNothingMayBe(levels: Int) throws {
    let tables = try make(levels) {
      $0.hasPageTypes = false
      $0.hasContiguousPages = false
    }
    // W without R, with and without X.
    for bits in [0xe5, 0xed] as [UInt64] {
      set(tables, ppn(4 * GiB) | bits)
      #expect(tables.machine.cause(.read, Self.address) == .reservedBits)
    }
    // 60 to 54 are nobody's, 62 and 61 Svpbmt's, 63 Svnapot's.
    for bit in UInt64(54)...63 {
      set(tables, ppn(4 * GiB) | Self.page | 1 << bit)
      #expect(tables.machine.cause(.read, Self.address) == .reservedBits, "bit \(bit)")
      tables.set(Self.address, ppn(4 * GiB) | Self.page) { $0 >> 2 | 1 | 1 << bit }
      #expect(tables.machine.cause(.read, Self.address) == .reservedBits, "bit \(bit) of a table")
    }
    // A table is for nobody, and neither accessed nor dirty; the lowest level has none below.
    for bit in [4, 6, 7] as [UInt64] {
      tables.set(Self.address, ppn(4 * GiB) | Self.page) { $0 >> 2 | 1 | 1 << bit }
      #expect(tables.machine.cause(.read, Self.address) == .reservedBits, "bit \(bit) of a table")
    }
    set(tables, ppn(4 * GiB) | 1)
    #expect(tables.machine.cause(.read, Self.address) == .reservedBits)
    // RSW is left to software; without V all is.
    set(tables, ppn(4 * GiB) | Self.page | 3 << 8)
    #expect(tables.machine.cause(.read, Self.address) == nil)
    set(tables, .max & ~1)
    #expect(tables.machine.cause(.read, Self.address) == .notPresent)
  }

  @Test(arguments: modes) func misalignedPages(levels: Int) throws {
    let tables = try make(levels)
    for level in 2...levels {
      for bit in [12, 12 + 9 * UInt64(level - 1) - 1] {
        set(tables, level: level, ppn(1 << bit) | Self.page)
        #expect(tables.machine.cause(.read, Self.address) == .misalignedPage)
      }
    }
  }

  /// Svade faults, Svadu sets.
  @Test func accessedAndDirty() throws {
    for (clear, access, cause) in [
      (1 << 6, Fault.Access.read, Fault.Cause.accessedClear), (1 << 7, .write, .dirtyClear),
    ] as [(UInt64, Fault.Access, Fault.Cause)] {
      let entry = ppn(4 * GiB) | Self.page & ~clear
      let faults = try make(4)
      set(faults, entry)
      #expect(faults.machine.cause(access, Self.address) == cause)
      #expect(faults[physical: faults.place(1, Self.address)] == entry)
      let sets = try make(4) { $0.setsAccessedAndDirty = true }
      set(sets, entry)
      #expect(sets.machine.cause(access, Self.address) == nil)
      #expect(sets[physical: sets.place(1, Self.address)] == entry | clear)
    }
    let clean = try make(4)
    set(clean, ppn(4 * GiB) | Self.page & ~(1 << 7))
    #expect(clean.machine.cause(.read, Self.address) == nil)
  }

  @Test func rights() throws {
    let tables = try make(4)
    func causes(_ flags: UInt64) -> [Fault.Cause?] {
      Fault.Access.allCases.map { access in
        set(tables, ppn(4 * GiB) | flags)
        return tables.machine.cause(access, Self.address)
      }
    }
    #expect(causes(0xe3) == [nil, .writeToReadOnly, .executeOfNoExecute])
    #expect(causes(0xe7) == [nil, nil, .executeOfNoExecute])
    #expect(causes(0xeb) == [nil, .writeToReadOnly, nil])
    #expect(causes(0xef) == [nil, nil, nil])
    // Execute-only with MXR 0; a page of users with SUM 0.
    #expect(causes(0xe9) == [.readForbidden, .writeToReadOnly, nil])
    #expect(causes(0xff) == [.readForbidden, .writeToReadOnly, .executeOfNoExecute])
  }

  @Test func typesOfMemory() throws {
    let tables = try make(4)
    for type in UInt64(0)...2 {
      set(tables, ppn(4 * GiB) | Self.page | type << 61)
      #expect(try tables.machine.translation(of: VirtualAddress(Self.address)).memoryType == UInt8(type))
    }
    set(tables, ppn(4 * GiB) | Self.page | 3 << 61)
    #expect(tables.machine.cause(.read, Self.address) == .reservedBits)
  }

  /// Svnapot: sixteen entries that are the same.
  @Test func runs() throws {
    let tables = try make(4)
    let first = Self.address & ~(64 * KiB - 1)
    let entry = ppn(4 * GiB) | 8 << 10 | Self.page | Self.contiguous
    func fill() {
      set(tables, 0)
      for page in 0..<UInt64(16) { tables[physical: tables.place(1, first + page * 4096)] = entry }
      tables.machine.flushAll()
    }
    fill()
    for page in 0..<UInt64(16) {
      let found = try tables.machine.translation(of: VirtualAddress(first + page * 4096 + 8))
      #expect(found.physicalAddress.rawValue == 4 * GiB + page * 4096 + 8 && found.leafSize == 64 * KiB)
    }
    // One alone, executable, elsewhere, of another type, not global.
    for wrong in [
      ppn(4 * GiB + 15 * 4096) | Self.page, entry | Self.execute, entry + 16 << 10, entry | 1 << 61,
      entry & ~(1 << 5),
    ] {
      fill()
      tables[physical: tables.place(1, first + 15 * 4096)] = wrong
      #expect(tables.machine.cause(.read, first) == .inconsistentRun)
    }
    // Another length, and a large page.
    set(tables, ppn(4 * GiB) | 4 << 10 | Self.page | Self.contiguous)
    #expect(tables.machine.cause(.read, Self.address) == .reservedBits)
    set(tables, level: 2, ppn(4 * GiB) | 8 << 10 | Self.page | Self.contiguous)
    #expect(tables.machine.cause(.read, Self.address) == .reservedBits)
  }

  /// SFENCE.VMA with an address orders what was done to leaf entries alone.
  @Test func aFenceByAddressDropsNoTables() throws {
    let tables = try make(4)
    set(tables, ppn(4 * GiB) | Self.page)
    tables[physical: 4 * GiB + 8] = 1
    #expect(try tables.machine.read(Self.address + 8) == 1)
    tables[physical: tables.place(2, Self.address)] = 0
    tables.machine.invalidatePage(at: VirtualAddress(Self.address))
    #expect(try tables.machine.read(Self.address + 8) == 1)
    tables.machine.flushAll()
    #expect(tables.machine.cause(.read, Self.address) == .notPresent)
  }

  @Test func onlyModesThatThereAre() {
    for levels in [2, 6] {
      #expect(throws: SimulatedMachineError.pagingLevels(levels)) {
        try SimulatedMachine(
          ram: [RAMRegion(PhysicalAddress(0), byteCount: MiB)], hardware: .riscv64(levels: levels))
      }
    }
  }
}
