import CMachine
import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct AreasRemovalTests {
  private static let range = PageRange(unchecked: TestMachine.moduleStart, count: PageCount(1 << 15))

  private func options(_ id: ArenaID, at page: UInt64? = nil) -> VmallocOptions {
    var options = VmallocOptions()
    options.areas = id
    options.address = page.map { PageNumber(TestMachine.moduleStart.rawValue + $0).address(.size4K) }
    return options
  }

  /// Refused while somebody has an area; then all that it took is free, and its addresses are anybody's.
  @Test(arguments: FreeMode.all) func aRangeIsGivenBack(mode: FreeMode) throws {
    let test = try TestMachine(ram: [RAMRegion(PhysicalAddress(0), byteCount: 16 << 20)], mode: mode)
    let manager = test.manager
    // The tables below the root stay, and the descriptors.
    try manager.removeAreas(try manager.makeAreas(Self.range))
    let before = (used: manager.usedFrames, snapshot: Snapshot(of: manager))
    let id = try manager.makeAreas(Self.range)
    var areas: [UnsafeMutableRawPointer] = []
    for number in 0..<UInt64(30) {
      areas.append(try manager.vmalloc(4096 * 3, options(id, at: number * 1024 + 5)))
    }
    areas.append(try manager.vmalloc(70 * 4096, options(id)))
    try manager.vfree(try manager.vmalloc(4096, options(id)))
    test.expectRefused(.areasInUse(VirtualAddress(areas[0]))) { try manager.removeAreas(id) }
    for (number, area) in areas.enumerated() where number != 7 { try manager.vfree(area) }
    #expect(throws: MemoryError.areasInUse(VirtualAddress(areas[7]))) { try manager.removeAreas(id) }
    #expect(manager.area(containing: VirtualAddress(areas[7])) != nil)
    try manager.vfree(areas[7])
    try manager.removeAreas(id)
    test.expectValid()
    try manager.flushRetired()
    Snapshot(of: manager).expectSameMemory(as: before.snapshot)
    // What the descriptors of so many areas and holes take.
    #expect(manager.usedFrames.rawValue <= before.used.rawValue + 2)
    #expect(!manager.contains(VirtualAddress(areas[0])))
    #expect(manager.area(containing: VirtualAddress(areas[0])) == nil)
    test.expectRefused(.badFree(.foreign)) { try manager.vfree(areas[0]) }
    test.expectRefused(.areasUnavailable) { _ = try manager.vmalloc(1, options(id)) }
    test.expectRefused(.areasUnavailable) { try manager.removeAreas(id) }
    // By hand, and managed anew.
    let pages = PageRange(unchecked: TestMachine.moduleStart, count: PageCount(600))
    try manager.map(pages, to: FrameNumber(1 << 20), MappingAttributes(.readWrite))
    try manager.unmap(pages)
    let again = try manager.makeAreas(Self.range)
    #expect(again != id)
    try manager.vfree(try manager.vmalloc(1, options(again)))
    test.expectValid()
  }

  /// More ranges than there are numbers, one after another: nothing grows, and the oldest number comes again.
  @Test func numbersAreUsedAgain() throws {
    let test = try TestMachine(ram: [.small], mode: .lazy)
    let manager = test.manager
    var (first, used): (ArenaID?, PageCount?)
    for number in 0..<600 {
      let id = try manager.makeAreas(Self.range)
      if number == 0 { first = id }
      #expect((id == first) == (number % 254 == 0))
      try manager.vfree(try manager.vmalloc(1, options(id)))
      try manager.removeAreas(id)
      if number % 254 == 0 {
        #expect(used == nil || used == manager.usedFrames)
        used = manager.usedFrames
      }
    }
    test.expectValid()
  }

  @Test func whatIsNoRangeOrStaysIsRefused() throws {
    let test = try TestMachine(ram: [.small])
    for id in [test.manager.vmallocAreas, ArenaID(index: 1), ArenaID(index: 254), ArenaID(index: 255)] {
      test.expectRefused(.areasUnavailable) { try test.manager.removeAreas(id) }
    }
  }

  @Test func itWaitsWithInterruptsOnAlone() throws {
    let test = try TestMachine(ram: [.small], cpuCount: 2)
    let id = try test.manager.makeAreas(Self.range)
    let interrupts = cmachine_interrupts_disable()
    test.expectRefused(.wrongContext) { try test.manager.removeAreas(id) }
    cmachine_interrupts_restore(interrupts)
    try test.manager.removeAreas(id)
  }

  /// A listing goes on behind the areas that it passes over, in steps.
  @Test func aListingPassesOverManyAreas() throws {
    let test = try TestMachine(ram: [.small], mode: .lazy)
    var areas: [UnsafeMutableRawPointer] = []
    for _ in 0..<500 { areas.append(try test.manager.vmalloc(1)) }
    for area in areas[1..<499] { try test.manager.vfree(area) }
    var listed: [VirtualAddress] = []
    try test.manager.forEachArea { listed.append($0.address) }
    let expected = [VirtualAddress(areas[0]), VirtualAddress(areas[499])]
    #expect(listed == expected)
  }
}
