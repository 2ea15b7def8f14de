import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// Every free that is refused: its own reason, and nothing changed.
@Suite struct VfreeErrorsTests {
  private let test: TestMachine
  /// Three pages and two guards, at the start of the range.
  private let area: UInt64

  init() throws {
    test = try TestMachine(ram: [.small])
    var options = VmallocOptions()
    options.guardPages = 2
    area = VirtualAddress(try test.manager.vmalloc(3 * 4096 - 100, options)).rawValue
    _ = try test.manager.vmalloc(1)
  }

  private func expectBadFree(
    _ reason: BadFree, _ address: UInt64, _ location: SourceLocation = #_sourceLocation
  ) {
    let refused = test.manager.counters[.freesRefused]
    test.expectRefused(.badFree(reason), location) { try test.manager.vfree(test.pointer(address)) }
    #expect(test.manager.counters[.freesRefused] == refused + 1, sourceLocation: location)
  }

  @Test func nilIsIgnored() throws {
    let before = Snapshot(of: test.manager)
    try test.manager.vfree(nil)
    test.expectUnchanged(since: before)
    #expect(test.manager.counters[.freesRefused] == 0)
  }

  @Test func twice() throws {
    try test.manager.vfree(test.pointer(area))
    expectBadFree(.alreadyFree, area)
    expectBadFree(.alreadyFree, area)
    // Nor does it become right when a neighbour goes too.
    try test.manager.vfree(test.pointer(area + 5 << 12))
    expectBadFree(.alreadyFree, area)
    expectBadFree(.alreadyFree, area + 5 << 12)
  }

  @Test func twiceWithAnotherAreaInItsPlace() throws {
    try test.manager.vfree(test.pointer(area))
    var options = VmallocOptions()
    options.address = VirtualAddress(area + 4096)
    _ = try test.manager.vmalloc(1, options)
    expectBadFree(.alreadyFree, area)
    expectBadFree(.guardPage, area + 2 << 12)
    expectBadFree(.alreadyFree, area + 3 << 12)
  }

  @Test func neverAllocated() { expectBadFree(.alreadyFree, area + 1 << 30) }

  @Test(arguments: [1, 8, 4095] as [UInt64])
  func unaligned(offset: UInt64) { expectBadFree(.unaligned, area + offset) }

  @Test(arguments: [4096, 4097, 8192, 12287] as [UInt64])
  func interior(offset: UInt64) { expectBadFree(.interior, area + offset) }

  @Test(arguments: [12288, 12289, 16384, 20479] as [UInt64])
  func guards(offset: UInt64) { expectBadFree(.guardPage, area + offset) }

  @Test func belowAndAboveTheRange() {
    expectBadFree(.foreign, TestMachine.vmallocStart.rawValue << 12 - 1)
    expectBadFree(.foreign, TestMachine.vmallocStart.rawValue << 12 - 4096)
    expectBadFree(.foreign, TestMachine.vmallocStart.rawValue << 12 + 1 << 45)
    expectBadFree(.foreign, 4096)
    expectBadFree(.foreign, 1)
    expectBadFree(.foreign, .max)
    expectBadFree(.foreign, 1 << 47)
  }

  @Test func theLinearMap() throws {
    let frame = try test.manager.allocateFrames()
    expectBadFree(.foreign, test.manager.linearAddress(of: frame).rawValue)
    let page = try #require(test.manager.frame(at: VirtualAddress(area)))
    expectBadFree(.foreign, test.manager.linearAddress(of: page).rawValue)
    expectBadFree(.foreign, test.simulated.linearMap.base.rawValue)
  }

  @Test func aHoleOfAnotherRange() throws {
    let start = TestMachine.moduleStart
    let modules = try test.manager.makeAreas(PageRange(unchecked: start, count: PageCount(100)))
    expectBadFree(.alreadyFree, start.rawValue << 12)
    var options = VmallocOptions()
    options.areas = modules
    let module = try test.manager.vmalloc(1, options)
    expectBadFree(.guardPage, start.rawValue << 12 + 4096)
    expectBadFree(.alreadyFree, start.rawValue << 12 + 8192)
    expectBadFree(.foreign, start.rawValue << 12 + 100 << 12)
    try test.manager.vfree(module)
    expectBadFree(.alreadyFree, start.rawValue << 12)
  }

  /// A mapping made by hand is not an area.
  @Test func aMappingMadeByHand() throws {
    let page = PageNumber(0xffff_f000_0000_0000 >> 12)
    let frame = try test.manager.allocateFrames()
    try test.manager.map(
      PageRange(unchecked: page, count: PageCount(1)), to: frame, MappingAttributes(.readWrite))
    expectBadFree(.foreign, page.rawValue << 12)
  }
}
