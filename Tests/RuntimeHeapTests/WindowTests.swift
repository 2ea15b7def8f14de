@testable import KernelMemory
import RuntimeHeap
import Testing

/// What a window must be, and what is said of one that is not.
@Suite struct WindowTests {
  private func refusal(_ machine: HeapMachine, _ window: LinearMap) -> RuntimeHeapError? {
    do throws(RuntimeHeapError) {
      _ = try RuntimeHeap(on: machine.manager, window: window)
      return nil
    } catch {
      return error
    }
  }

  private func window(at base: UInt64, limit: UInt64 = 64 << 20) -> LinearMap {
    LinearMap(base: VirtualAddress(base), limit: PhysicalAddress(limit), pageSize: .size4K)
  }

  @Test func aMappedWindowInTheLowerHalfIsTaken() throws {
    let machine = try HeapMachine()
    #expect(refusal(machine, machine.window) == nil)
  }

  @Test func addressesWithBit63AreRefusedAndExplained() throws {
    let machine = try HeapMachine()
    let high: UInt64 = 0xffff_8880_0000_0000
    #expect(refusal(machine, window(at: high)) == .windowHasBit63(VirtualAddress(high)))
    // Of this one, only the last page has it.
    let across = window(at: (1 << 63) - (64 << 20) + 4096)
    #expect(refusal(machine, across) == .windowHasBit63(VirtualAddress(1 << 63)))
    var text = Text()
    RuntimeHeapError.windowHasBit63(VirtualAddress(high)).writeExplanation(to: &text)
    #expect(text.string.contains("bit 63 set, from 0xffff888000000000"))
    #expect(text.string.contains("never freed"))
  }

  @Test func aWindowAtZeroIsRefused() throws {
    let machine = try HeapMachine()
    let zero = PageRange(from: PageNumber(0), upTo: PageNumber(1))
    try machine.manager.map(zero, to: FrameNumber(1 << 20), MappingAttributes(.readWrite))
    #expect(refusal(machine, window(at: 0)) == .windowAtZero)
    // An identity map, whose page zero is nobody's, is a window like any other.
    try machine.manager.unmap(zero)
    #expect(refusal(machine, window(at: 0)) == .windowNotMapped(VirtualAddress(4096)))
  }

  @Test func aWindowThatEndsBelowRAMIsRefused() throws {
    let machine = try HeapMachine()
    let base = HeapMachine.windowBase.rawValue
    #expect(
      refusal(machine, window(at: base, limit: (64 << 20) - 4096))
        == .windowTooSmall(PhysicalAddress((64 << 20) - 4096)))
    #expect(
      refusal(machine, window(at: base, limit: (64 << 20) - 1))
        == .windowTooSmall(PhysicalAddress((64 << 20) - 4096)))
  }

  @Test func aWindowThatIsNotMappedIsRefused() throws {
    let machine = try HeapMachine(isMapped: false)
    let first = VirtualAddress(HeapMachine.windowBase.rawValue + 4096)
    #expect(refusal(machine, machine.window) == .windowNotMapped(first))
    // Mapped, but a page off: every address leads to another frame than its own.
    let other = try HeapMachine()
    let shifted = HeapMachine.windowBase.rawValue - 4096
    #expect(
      refusal(other, window(at: shifted)) == .windowNotMapped(VirtualAddress(shifted + 4096)))
  }

  @Test func aHoleInTheWindowIsRefused() throws {
    let machine = try HeapMachine()
    let hole = VirtualAddress(HeapMachine.windowBase.rawValue + (32 << 20))
    let page = hole.number(.size4K)
    // Nobody can by the public ways.
    try machine.manager.unmapAny(PageRange(from: page, upTo: PageNumber(page.rawValue + 1)))
    #expect(refusal(machine, machine.window) == .windowNotMapped(hole))
  }

  /// The window is checked before anything is taken.
  @Test func aRefusalTakesNothing() throws {
    let machine = try HeapMachine(isMapped: false)
    let before = machine.manager.counters
    #expect(refusal(machine, machine.window) != nil)
    #expect(machine.manager.counters == before)
  }

  @Test(arguments: [
    (RuntimeHeapError.windowAtZero, "address zero"),
    (.windowTooSmall(PhysicalAddress(0x1234_5000)), "0x12345000"),
    (.windowNotMapped(VirtualAddress(0x4000)), "0x4000"),
    (.alreadyStarted, "already"),
    (.memory(.tagsExhausted(limit: 255)), "tags"),
  ])
  func everyRefusalIsExplained(_ error: RuntimeHeapError, _ part: String) {
    var text = Text()
    error.writeExplanation(to: &text)
    #expect(text.string.contains(part), "\(text.string)")
  }
}
