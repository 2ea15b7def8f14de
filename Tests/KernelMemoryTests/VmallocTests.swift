import MachineSimulator
import Testing

@testable import KernelMemory

@Suite struct VmallocTests {
  @Test func memoryIsContiguousAndFaultsBehindItsEndAndAfterItsFree() throws {
    let test = try TestMachine()
    let pointer = try test.manager.vmalloc(3 * 4096 + 1)
    let start = VirtualAddress(pointer)
    #expect(start.isAligned(to: .size4K))
    for offset in stride(from: 0, to: UInt64(4 * 4096), by: 8) {
      try test.simulated.store(offset ^ 0x5a5a, at: VirtualAddress(start.rawValue + offset))
    }
    for offset in stride(from: 0, to: UInt64(4 * 4096), by: 8) {
      let value: UInt64 = try test.simulated.load(at: VirtualAddress(start.rawValue + offset))
      #expect(value == offset ^ 0x5a5a)
    }
    let end = VirtualAddress(start.rawValue + 4 * 4096)
    #expect(throws: Fault.self) { _ = try test.simulated.load(UInt8.self, at: end) }
    test.expectValid()
    try test.manager.vfree(pointer)
    #expect(throws: Fault.self) { _ = try test.simulated.load(UInt8.self, at: start) }
    test.expectValid()
    #expect(test.manager.counters[.entriesWritten] == 4)
    #expect(test.manager.counters[.entriesCleared] == 4)
  }
}
