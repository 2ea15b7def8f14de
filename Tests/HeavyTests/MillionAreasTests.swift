import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// A million areas of one page at once, on a machine with 8 GiB.
@Suite struct MillionAreasTests {
  static let count = 1_000_000

  @Test func aMillionAreasAtOnce() throws {
    let test = try TestMachine(ram: RAMRegion.pc(byteCount: 8 << 30))
    let framesInUse = test.framesInUse
    var addresses = try allocate(test, Self.count)
    #expect(Set(addresses).count == Self.count)
    test.expectValid()
    lookUp(addresses, test)

    // A cache line for the descriptor, four bytes in the index for the page and for its guard.
    let stock = test.manager.frames.ownMetadata
    let bytesPerArea = Double(stock.rawValue * 4096) / Double(Self.count)
    print("own metadata: \(stock.rawValue) frames, \(bytesPerArea) bytes an area")
    #expect(bytesPerArea < 64 + 8 + 1)

    var random = Randomness(seed: RandomTests.seeds(1)[0])
    addresses.shuffle(using: &random)
    for address in addresses[..<(Self.count / 2)] { try test.manager.vfree(test.pointer(address)) }
    test.expectValid()
    lookUp(Array(addresses[(Self.count / 2)...]), test)
    for address in addresses[..<1000] {
      #expect(test.manager.area(containing: VirtualAddress(address)) == nil)
    }
    // The space between areas serves new ones of the same size, without more stock.
    let again = try allocate(test, Self.count / 2)
    #expect(Set(again) == Set(addresses[..<(Self.count / 2)]))
    #expect(test.manager.frames.ownMetadata == stock)
    for address in addresses { try test.manager.vfree(test.pointer(address)) }
    expectNothingLeft(test, framesInUse)
  }

  private func allocate(_ test: TestMachine, _ count: Int) throws -> [UInt64] {
    try (0..<count).map { _ in VirtualAddress(try test.manager.vmalloc(1)).rawValue }
  }

  private func lookUp(_ addresses: [UInt64], _ test: TestMachine) {
    var wrong = 0
    for address in addresses {
      for offset in [0, 4095, 4096, 8191] as [UInt64] {
        let area = test.manager.area(containing: VirtualAddress(address + offset))
        if area?.address.rawValue != address || area?.pages.count != PageCount(1) { wrong += 1 }
      }
    }
    #expect(wrong == 0)
  }

  private func expectNothingLeft(_ test: TestMachine, _ framesInUse: UInt64) {
    test.expectValid()
    #expect(test.framesInUse == framesInUse)
    let end = Snapshot(of: test.manager)
    #expect(end.areas.isEmpty)
    #expect(end.holes == [PageRange(unchecked: TestMachine.vmallocStart, count: PageCount(1 << 33))])
    #expect(test.manager.counters[.areasAllocated] == test.manager.counters[.areasFreed])
  }
}
