import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct LargeLeafTests {
  private static let twoMiB: UInt64 = 2 << 20

  private func leafPages(_ test: TestMachine, _ address: VirtualAddress) -> UInt64? {
    test.manager.mapping(at: address)?.pages.count.rawValue
  }

  /// Large leaves for the whole part, base ones for the rest, and a guard behind it; all of it comes back.
  @Test(arguments: [FreeMode.strict, .lazy])
  func mixesSizes(mode: FreeMode) throws {
    let test = try TestMachine(mode: mode)
    let used = test.framesInUse
    let pointer = try test.manager.vzalloc(Int(2 * Self.twoMiB + 3 * 4096))
    let address = VirtualAddress(pointer)
    #expect(address.rawValue % Self.twoMiB == 0)
    #expect(leafPages(test, address) == 512)
    #expect(leafPages(test, VirtualAddress(address.rawValue + 2 * Self.twoMiB - 1)) == 512)
    let rest = VirtualAddress(address.rawValue + 2 * Self.twoMiB)
    #expect(leafPages(test, rest) == 1)
    #expect(try test.simulated.load(UInt64.self, at: VirtualAddress(rest.rawValue - 8)) == 0)
    try test.simulated.store(UInt64(7), at: VirtualAddress(rest.rawValue - 8))
    let guardPage = VirtualAddress(rest.rawValue + 3 * 4096)
    #expect(test.fault(.write, at: guardPage)?.cause == .notPresent)
    test.expectValid()
    try test.manager.vfree(pointer)
    test.expectValid()
    try test.manager.flushRetired()
    #expect(test.fault(.read, at: VirtualAddress(rest.rawValue - 8))?.cause == .notPresent)
    #expect(test.framesInUse == used)
    test.expectValid()
  }

  @Test func fallsBackWhereNoBlockIsToBeHad() throws {
    let test = try TestMachine()
    try test.scatterFreeFrames()
    let pointer = try test.manager.vmalloc(Int(Self.twoMiB))
    #expect(leafPages(test, VirtualAddress(pointer)) == 1)
    test.expectValid()
    try test.manager.vfree(pointer)
    test.expectValid()
  }

  @Test func fallsBackWhereTheRangeHasNoAlignedPlace() throws {
    let test = try TestMachine(vmallocPages: 1_000)
    _ = try test.manager.vmalloc(4096)
    let pointer = try test.manager.vmalloc(Int(Self.twoMiB))
    #expect(VirtualAddress(pointer).rawValue % Self.twoMiB != 0)
    #expect(leafPages(test, VirtualAddress(pointer)) == 1)
    test.expectValid()
  }

  /// An emptied table in the way is revived, and serves base leaves.
  @Test func aTableInTheWayIsUsed() throws {
    let test = try TestMachine(mode: .lazy)
    var options = VmallocOptions()
    options.leaves = .base
    let first = try test.manager.vmalloc(Int(Self.twoMiB), options)
    let second = try test.manager.vmalloc(Int(Self.twoMiB))
    #expect(leafPages(test, VirtualAddress(first)) == 1)
    #expect(leafPages(test, VirtualAddress(second)) == 512)
    try test.manager.vfree(first)
    try test.manager.vfree(second)
    try test.manager.flushRetired()
    let third = try test.manager.vmalloc(Int(Self.twoMiB))
    #expect(leafPages(test, VirtualAddress(third)) == 512)
    test.expectValid()
  }

  /// A table that is in place for the second 2 MiB gets base leaves: then not all entries are where a
  /// sleeping area would look for them.
  @Test func aTableInTheMiddleIsNoLargeLeaf() throws {
    let test = try TestMachine(ram: RAMRegion.pc(byteCount: 256 << 20), mode: .lazy)
    let used = test.framesInUse
    let base = VirtualAddress(TestMachine.vmallocStart.address(.size4K).rawValue + (1 << 30))
    let second = VirtualAddress(base.rawValue + Self.twoMiB)
    var options = VmallocOptions()
    options.address = second
    try test.manager.vfree(try test.manager.vmalloc(4096, options))
    // Flushed and asleep; then taken apart, but for the table.
    for _ in 0..<2 { test.manager.purge() }
    for _ in 0..<2 { test.manager.purge(budget: 3) }
    options.address = base
    let pointer = try test.manager.vmalloc(Int(2 * Self.twoMiB), options)
    #expect(leafPages(test, base) == 512)
    #expect(leafPages(test, second) == 1)
    test.expectValid()
    try test.manager.vfree(pointer)
    test.expectValid()
    try test.manager.flushRetired()
    #expect(test.framesInUse == used)
    test.expectValid()
  }
}
