import KernelMemory
import Testing

@testable import MachineSimulator

@Suite struct WalkTests {
  struct Place: Sendable { var address: UInt64, level: Int }
  static let places = [lowAddress, highAddress].flatMap { address in
    (1...3).map { Place(address: address, level: $0) }
  }

  @Test(arguments: places) func reachesTheByteBehindALeaf(place: Place) throws {
    let tables = try Tables()
    let offsetMask = leafSize(place.level) - 1
    let target = 5 * GiB
    let address = place.address & ~offsetMask
    tables.map(address, to: target, level: place.level)
    for offset in [0, 8, offsetMask / 2 & ~7, offsetMask - 7] {
      tables[physical: target + offset] = ~offset
      #expect(try tables.machine.read(address + offset) == ~offset)
      let translation = try tables.machine.translation(of: VirtualAddress(address + offset))
      #expect(translation.physicalAddress == PhysicalAddress(target + offset))
      #expect(translation.leafSize == offsetMask + 1)
    }
    #expect(tables.machine.cause(.read, address &- 8) == .notPresent)
    #expect(tables.machine.cause(.read, address + offsetMask + 1) == .notPresent)
  }

  /// The index of a leaf's memory type is PWT + 2 PCD + 4 PAT; PAT is bit 7, in a large leaf bit 12.
  @Test(arguments: 1...3, 0...7) func reportsThePATIndex(level: Int, index: UInt64) throws {
    let tables = try Tables()
    let pat: UInt64 = level == 1 ? 1 << 7 : 1 << 12
    let flags = present | (index & 3) << 3 | (index & 4 != 0 ? pat : 0)
    tables.map(highAddress, to: GiB, level: level, flags: flags)
    let translation = try tables.machine.translation(of: VirtualAddress(highAddress))
    #expect(translation.memoryType == UInt8(index))
    let offset = highAddress & (leafSize(level) - 1)
    #expect(translation.physicalAddress == PhysicalAddress(GiB + offset))
  }

  @Test(arguments: 1...3) func reportsGlobalAndDirtyOfTheLeafAlone(level: Int) throws {
    let tables = try Tables()
    let address = VirtualAddress(lowAddress)
    tables.map(lowAddress, to: GiB, level: level, tableFlags: present | writable | global | dirty)
    #expect(try !tables.machine.translation(of: address).isGlobal)
    #expect(try !tables.machine.translation(of: address).isDirty)
    tables.map(lowAddress, to: GiB, level: level, flags: present | global | dirty)
    #expect(try tables.machine.translation(of: address).isGlobal)
    #expect(try tables.machine.translation(of: address).isDirty)
  }

  /// One entry, of any level, takes a right away from the whole translation.
  @Test(arguments: 1...3, 1...4) func combinesPermissionsOverLevels(leaf: Int, restricting: Int) throws {
    guard restricting >= leaf else { return }
    for (bit, access, cause) in [
      (writable, Fault.Access.write, Fault.Cause.writeToReadOnly),
      (noExecute, .execute, .executeOfNoExecute),
      (user, .read, nil),
    ] {
      let tables = try Tables()
      tables.map(highAddress, to: GiB, level: leaf)
      #expect(tables.machine.cause(access, highAddress) == nil)
      tables.machine.flushAll()
      let entry = tables.entry(restricting, for: highAddress)
      tables[physical: entry] ^= bit

      let fault = tables.machine.fault(access, highAddress)
      #expect(fault?.cause == cause)
      if cause != nil { #expect(fault?.level == leaf) }
      #expect(tables.machine.cause(.read, highAddress) == nil)
      let translation = try tables.machine.translation(of: VirtualAddress(highAddress))
      #expect(translation.isWritable == (bit != writable))
      #expect(translation.isExecutable == (bit != noExecute))
      #expect(translation.isUser == (bit != user))
    }
  }

  @Test(arguments: Fault.Access.allCases, 1...4)
  func faultsWhereAnEntryIsNotPresent(access: Fault.Access, level: Int) throws {
    let tables = try Tables()
    tables.map(highAddress, to: GiB)
    let entry = tables.entry(level, for: highAddress)
    // All the other bits are ignored then, reserved ones too.
    tables[physical: entry] = ~present
    let fault = try #require(tables.machine.fault(access, highAddress))
    #expect(
      fault
        == Fault(
          address: VirtualAddress(highAddress), access: access, cause: .notPresent, level: level,
          physicalAddress: PhysicalAddress(entry), usedCache: false))
    #expect(tables.machine.counters.faults(.notPresent) == 1)
    #expect(throws: Fault.self) { try tables.machine.translation(of: VirtualAddress(highAddress)) }
  }

  @Test(arguments: Fault.Access.allCases)
  func faultsOnAddressesThatAreNotCanonical(access: Fault.Access) throws {
    let tables = try Tables()
    for address: UInt64 in [
      1 << 47, 0x0000_ffff_ffff_fff8, 1 << 48, 0x7fff_ffff_ffff_fff8, 1 << 63, 0xffff_7fff_ffff_fff8,
      0xfffe_8000_0000_0000, lowAddress | 1 << 62,
    ] {
      let fault = tables.machine.fault(access, address)
      #expect(fault?.cause == .notCanonical)
      #expect(fault?.address == VirtualAddress(address))
    }
    for address: UInt64 in [0, 0x0000_7fff_ffff_fff8, 0xffff_8000_0000_0000, 0xffff_ffff_ffff_fff8] {
      #expect(tables.machine.cause(access, address) == .notPresent)
    }
  }

  @Test func faultsBeforeARootIsLoaded() throws {
    let machine = try SimulatedMachine(ram: RAMRegion.pc(byteCount: 4 * MiB))
    #expect(machine.cause(.read, lowAddress) == .noRoot)
    #expect(machine.counters.walks == 0)
  }

  @Test func refusesRootsThatAreNoPageFrame() throws {
    let tables = try Tables()
    for bad in [PhysicalAddress(tables.root + 8), PhysicalAddress(1 << 46)] {
      #expect(throws: SimulatedMachineError.badRoot(bad)) { try tables.machine.loadRoot(bad) }
    }
    tables.map(lowAddress, to: GiB)
    #expect(tables.machine.cause(.read, lowAddress) == nil)
    try tables.machine.loadRoot(PhysicalAddress(3 * GiB))
    let fault = tables.machine.fault(.read, lowAddress)
    #expect(fault?.cause == .busError)
    #expect(fault?.level == 4)
  }
}
