import Foundation
import MachineSimulator
import Testing

@testable import KernelMemory

@Suite struct MemoryTests {
  @Test(arguments: [GiB, 8 * GiB, 1024 * GiB]) func anySizeCostsNothing(byteCount: UInt64) throws {
    let tables = try Tables(ram: RAMRegion.pc(byteCount: byteCount))
    let top = byteCount + (byteCount > 3 * GiB ? GiB : 0)
    #expect(tables.machine.linearMap.limit == PhysicalAddress(top))
    #expect(tables.machine.linearMap.base.rawValue & (GiB - 1) == 0)
    tables.map(highAddress, to: top - 4096)
    #expect(try tables.machine.read(highAddress) == 0)
    try tables.machine.store(UInt64(7), at: VirtualAddress(highAddress + 4088))
    #expect(tables[physical: top - 8] == 7)
  }

  /// Together these would need more than the 128 TiB that a process has.
  @Test func theMemoryIsGivenBack() throws {
    for _ in 0..<300 { _ = try SimulatedMachine(ram: RAMRegion.pc(byteCount: 1024 * GiB)) }
  }

  @Test func thePCLayoutHasItsHoles() {
    let regions = RAMRegion.pc(byteCount: 8 * GiB)
    #expect(
      regions == [
        RAMRegion(PhysicalAddress(0), byteCount: 640 * KiB),
        RAMRegion(PhysicalAddress(MiB), byteCount: 3 * GiB - MiB),
        RAMRegion(PhysicalAddress(4 * GiB), byteCount: 5 * GiB),
      ])
    #expect(RAMRegion.pc(byteCount: 3 * GiB).count == 2)
    #expect(RAMRegion.pc(byteCount: MiB).count == 1)
    #expect(RAMRegion.pc(byteCount: 4096) == [RAMRegion(PhysicalAddress(0), byteCount: 4096)])
  }

  @Test(arguments: Fault.Access.allCases) func holesAreBusErrors(access: Fault.Access) throws {
    let tables = try Tables()
    for (hole, level) in [
      (640 * KiB, 1), (MiB - 4096, 1), (3 * GiB, 1), (3 * GiB, 2), (3 * GiB, 3), (9 * GiB, 1),
      (1 << 45, 1),
    ] {
      let address = highAddress & ~(leafSize(level) - 1)
      tables.map(address, to: hole, level: level)
      let fault = try #require(tables.machine.fault(access, address))
      #expect(fault.cause == .busError)
      #expect(fault.physicalAddress == PhysicalAddress(hole))
      #expect(fault.level == 0)
      tables[physical: tables.entry(level, for: address)] = 0
      tables.machine.flushAll()
    }
    for ram in [0, 640 * KiB - 4096, MiB, 3 * GiB - 4096, 4 * GiB, 9 * GiB - 4096] {
      tables.map(highAddress, to: ram)
      #expect(tables.machine.cause(.read, highAddress) == nil)
      tables.machine.flushAll()
    }
  }

  @Test func aLargeLeafOverAHoleFailsInTheHoleOnly() throws {
    let tables = try Tables()
    tables.map(highAddress & ~(2 * MiB - 1), to: 0, level: 2)
    let base = highAddress & ~(2 * MiB - 1)
    #expect(tables.machine.cause(.read, base + 640 * KiB - 8) == nil)
    #expect(tables.machine.cause(.read, base + 640 * KiB) == .busError)
    #expect(tables.machine.cause(.read, base + MiB - 8) == .busError)
    #expect(tables.machine.cause(.read, base + MiB) == nil)
  }

  /// The edges of RAM count to the byte.
  @Test func regionsNeedNoPageEdges() throws {
    let tables = try Tables(ram: [
      RAMRegion(PhysicalAddress(2 * MiB + 100), byteCount: 1000),
      RAMRegion(PhysicalAddress(0), byteCount: 2 * MiB),
    ])
    tables.map(highAddress, to: 2 * MiB)
    for offset: UInt64 in [0, 92, 93, 99, 1093, 1099, 1100] {
      #expect(tables.machine.cause(.write, highAddress + offset) == .busError, "\(offset)")
    }
    for offset: UInt64 in [100, 101, 1092] {
      #expect(tables.machine.cause(.write, highAddress + offset) == nil, "\(offset)")
    }
    #expect(tables.machine.linearMap.limit == PhysicalAddress(2 * MiB + 4096))
  }

  @Test func regionsMayMeetInsideAPage() throws {
    let tables = try Tables(ram: [
      RAMRegion(PhysicalAddress(2 * MiB + 1100), byteCount: 4000),
      RAMRegion(PhysicalAddress(2 * MiB + 100), byteCount: 1000),
      RAMRegion(PhysicalAddress(0), byteCount: 2 * MiB),
    ])
    tables.map(highAddress, to: 2 * MiB)
    #expect(tables.machine.cause(.write, highAddress + 1096) == nil)
    #expect(tables.machine.cause(.write, highAddress + 93) == .busError)
  }

  @Test(arguments: 1...3) func tablesInHolesAreBusErrors(level: Int) throws {
    let tables = try Tables()
    tables.map(highAddress, to: GiB)
    tables[physical: tables.entry(level + 1, for: highAddress)] = 3 * GiB | 7
    let fault = try #require(tables.machine.fault(.read, highAddress))
    #expect(fault.cause == .busError)
    #expect(fault.level == level)
    #expect(fault.physicalAddress.map { $0.rawValue & ~0xfff } == PhysicalAddress(3 * GiB).rawValue)
  }

  @Test func theLinearMapDoesNotReachIntoHoles() async {
    await #expect(processExitsWith: .signal(SIGSEGV)) {
      let machine = try SimulatedMachine(ram: RAMRegion.pc(byteCount: 8 * GiB))
      let hole = machine.linearMap.virtualAddress(of: PhysicalAddress(3 * GiB)).pointer
      hole?.storeBytes(of: 1, as: UInt8.self)
    }
  }

  @Test func theMemoryMapNamesAllRAM() throws {
    let machine = try SimulatedMachine(ram: RAMRegion.pc(byteCount: 8 * GiB))
    let map = try machine.memoryMap
    var runs: [FrameRange] = []
    while let run = map.nextRun(.allocatable, from: runs.last?.end ?? FrameNumber(0), .size4K) {
      runs.append(run)
    }
    let expected = [(0, 0xa0), (0x100, 0xbff00), (0x10_0000, 0x14_0000)] as [(UInt64, UInt64)]
    #expect(runs == expected.compactMap { FrameRange(FrameNumber($0), count: PageCount($1)) })
    let many = (0..<UInt64(500)).map { RAMRegion(PhysicalAddress($0 * 8192), byteCount: 4096) }
    // The map's rows are the machine's.
    let fragmented = try SimulatedMachine(ram: many)
    try withExtendedLifetime(fragmented) {
      let crowded = try fragmented.memoryMap
      #expect(crowded.count == 500)
      #expect(crowded.capacity == 628)
    }
  }

  @Test func refusesWhatIsNoMachine() {
    func error(_ regions: RAMRegion...) -> SimulatedMachineError? {
      do throws(SimulatedMachineError) {
        _ = try SimulatedMachine(ram: regions)
        return nil
      } catch {
        return error
      }
    }
    let page = RAMRegion(PhysicalAddress(4096), byteCount: 4096)
    let empty = RAMRegion(PhysicalAddress(0), byteCount: 0)
    let overlapping = RAMRegion(PhysicalAddress(8191), byteCount: 1)
    let tooHigh = RAMRegion(PhysicalAddress(1 << 46 - 1), byteCount: 2)
    let wrapping = RAMRegion(PhysicalAddress(.max), byteCount: 2)
    #expect(error() == .noRAM)
    #expect(error(page, empty) == .badRegion(empty))
    #expect(error(page, overlapping) == .overlappingRegion(overlapping))
    #expect(error(overlapping, page) == .overlappingRegion(overlapping))
    #expect(error(page, tooHigh) == .badRegion(tooHigh))
    #expect(error(page, wrapping) == .badRegion(wrapping))
    #expect(throws: SimulatedMachineError.cpuCount(0)) { try SimulatedMachine(ram: [page], cpuCount: 0) }
    for bits in [35, 53] {
      #expect(throws: SimulatedMachineError.physicalAddressBits(bits)) {
        try SimulatedMachine(ram: [page], physicalAddressBits: bits)
      }
    }
    #expect(throws: SimulatedMachineError.reservationFailed(errno: ENOMEM)) {
      try SimulatedMachine(
        ram: [RAMRegion(PhysicalAddress(1 << 48), byteCount: 4096)], physicalAddressBits: 52)
    }
  }
}
