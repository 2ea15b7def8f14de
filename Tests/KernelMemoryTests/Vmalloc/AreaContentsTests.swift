import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// What one tag has written is not another's to read: in hardened mode.
@Suite struct AreaContentsTests {
  private func test(_ mode: FreeMode, _ hardening: SlabHardening = .hardened(secret: 0x1234_5678_9abc_def1))
    throws
    -> (TestMachine, KernelMemory.Tag, KernelMemory.Tag)
  {
    let test = try TestMachine(ram: [.small], mode: mode, hardening: hardening)
    return (test, try test.manager.makeTag(named: "one"), try test.manager.makeTag(named: "two"))
  }

  private func fill(_ pointer: UnsafeMutableRawPointer, _ pages: Int, _ test: TestMachine) throws {
    try test.simulated.store([UInt8](repeating: 0x5e, count: pages * 4096), at: VirtualAddress(pointer))
  }

  private func isZero(_ pointer: UnsafeMutableRawPointer, _ pages: Int, _ test: TestMachine) throws -> Bool {
    try test.simulated.load(byteCount: pages * 4096, at: VirtualAddress(pointer)).allSatisfy { $0 == 0 }
  }

  @Test(arguments: [FreeMode.warm, .lazy, .strict], [1, 3, 64, 100])
  func anotherTagReadsZeros(mode: FreeMode, pages: Int) throws {
    let (test, one, two) = try test(mode)
    for _ in 0..<3 {
      let secret = try test.manager.vmalloc(pages * 4096, areas(one))
      try fill(secret, pages, test)
      try test.manager.vfree(secret)
      let other = try test.manager.vmalloc(pages * 4096, areas(two))
      #expect(try isZero(other, pages, test))
      try fill(other, pages, test)
      try test.manager.vfree(other)
      if mode != .strict { try test.manager.flushRetired() }
    }
    if mode == .warm && pages <= 64 { #expect(test.manager.counters[.warmHits] == 3) }
    test.expectValid()
  }

  /// From an area to an area by way of the free frames.
  @Test func framesTakeNothingAlong() throws {
    let (test, one, two) = try test(.lazy)
    var held: [UnsafeMutableRawPointer] = []
    while test.framesLeft > 70 { held.append(try test.manager.vmalloc(32 * 4096, areas(one))) }
    for pointer in held { try fill(pointer, 32, test) }
    for pointer in held { try test.manager.vfree(pointer) }
    try test.manager.flushRetired()
    let other = try test.manager.vmalloc(1000 * 4096, areas(two))
    #expect(try isZero(other, 1000, test))
    test.expectValid()
  }

  /// What its own tag gets back from the warm cache costs no clearing.
  @Test func theSameTagKeepsItsOwn() throws {
    let (test, one, _) = try test(.warm)
    let first = try test.manager.vmalloc(4096, areas(one))
    try fill(first, 1, test)
    try test.manager.vfree(first)
    let second = try test.manager.vmalloc(4096, areas(one))
    #expect(second == first && test.manager.counters[.warmHits] == 1)
    #expect(try test.simulated.load(UInt8.self, at: VirtualAddress(second)) == 0x5e)
  }
}
