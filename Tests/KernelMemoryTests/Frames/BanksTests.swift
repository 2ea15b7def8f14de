import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

private let MiB: UInt64 = 1 << 20
private let GiB: UInt64 = 1 << 30

/// The number of the frame at an address, or the frames in a number of bytes.
private func frames(_ bytes: UInt64) -> UInt64 { bytes / 4096 }

/// From a memory map to the frames that a manager hands out.
@Suite struct BanksTests {
  @Test func handsOutEveryUsableFrameOfEveryBankOnceAndNoOther() throws {
    let banks = [
      RAMRegion(PhysicalAddress(0), byteCount: 8 * MiB),
      RAMRegion(PhysicalAddress(130 * MiB), byteCount: 4 * MiB),
      RAMRegion(PhysicalAddress(5 * GiB + 4096), byteCount: 3 * MiB),
    ]
    let map = MemoryMap()
    for bank in banks { try map.add(.usable, at: bank.start, byteCount: bank.byteCount) }
    try map.add(.reserved, at: PhysicalAddress(0xa_0000), byteCount: 0x6_0000)
    try map.add(.kept, at: PhysicalAddress(2 * MiB + 5), byteCount: MiB)
    try map.add(.reserved, at: PhysicalAddress(131 * MiB - 1), byteCount: 2)
    let test = try TestMachine(ram: banks, map: map)
    test.expectValid()

    var usable = Set<UInt64>(1..<frames(8 * MiB))
    usable.formUnion(frames(130 * MiB)..<frames(134 * MiB))
    usable.formUnion(frames(5 * GiB) + 1..<frames(5 * GiB + 3 * MiB) + 1)
    usable.subtract(0xa0..<0x100)
    usable.subtract(frames(2 * MiB)..<frames(3 * MiB) + 1)
    usable.subtract([frames(131 * MiB) - 1, frames(131 * MiB)])
    #expect(test.manager.frames.managed.rawValue == UInt64(usable.count))
    #expect(test.manager.refusedFrames == .zero)

    let own = test.manager.usedFrames.rawValue
    let taken = test.takeAllFrames()
    #expect(Set(taken).count == taken.count, "a frame was handed out twice")
    #expect(UInt64(taken.count) == UInt64(usable.count) - own)
    #expect(Set(taken).isSubset(of: usable), "a frame was handed out that is not usable RAM")
    #expect(!taken.contains(0))
    test.expectValid()
    for frame in taken { try test.manager.freeFrames(FrameNumber(frame)) }
    #expect(test.manager.usedFrames.rawValue == own)
    test.expectValid()
  }

  @Test func theLinearMapCoversWhatIsUsableOrKeptAndNothingElse() throws {
    let map = MemoryMap()
    try map.add(.usable, at: PhysicalAddress(0), byteCount: 16 * MiB)
    try map.add(.kept, at: PhysicalAddress(4 * MiB), byteCount: MiB)
    try map.add(.reserved, at: PhysicalAddress(6 * MiB), byteCount: MiB)
    let test = try TestMachine(ram: [RAMRegion(PhysicalAddress(0), byteCount: 32 * MiB)], map: map)
    for frame in 0..<frames(32 * MiB) {
      let address = test.manager.linearAddress(of: FrameNumber(frame))
      let isMapped = frame > 0 && frame < frames(16 * MiB) && frame * 4096 / MiB != 6
      let mapping = test.manager.frame(at: address)
      #expect(mapping == (isMapped ? FrameNumber(frame) : nil))
    }
  }

  @Test func frameZeroIsNeverHandedOutEvenAlone() throws {
    // The first bank has nothing else.
    let banks = [
      RAMRegion(PhysicalAddress(0), byteCount: 4096), RAMRegion(PhysicalAddress(4 * MiB), byteCount: 4 * MiB),
    ]
    let test = try TestMachine(ram: banks)
    #expect(test.manager.frames.managed == PageCount(frames(4 * MiB)))
    #expect(!test.takeAllFrames().contains(0))
    #expect(throws: MemoryError.badFree(.foreign)) { try test.manager.freeFrames(FrameNumber(0)) }
  }

  @Test(arguments: [0, 4096, 2 * MiB, 3 * MiB + 1])
  func ramAboveTheLinearMapIsRefusedAndReported(reach: UInt64) throws {
    // The larger bank lies where the linear map does not reach, or reaches in part.
    let banks = [
      RAMRegion(PhysicalAddress(0), byteCount: 4 * MiB),
      RAMRegion(PhysicalAddress(64 * MiB), byteCount: 16 * MiB),
      RAMRegion(PhysicalAddress(256 * MiB), byteCount: 16 * MiB),
    ]
    let test = try TestMachine(ram: banks, limit: PhysicalAddress(64 * MiB + reach))
    let reached = frames(reach)
    #expect(test.manager.frames.managed == PageCount(frames(4 * MiB) - 1 + reached))
    #expect(test.manager.refusedFrames == PageCount(frames(32 * MiB) - reached))
    let end = frames(64 * MiB) + reached
    let taken = test.takeAllFrames()
    #expect(taken.allSatisfy { $0 < end })
    for frame in [end, end + 1, frames(256 * MiB)] {
      #expect(test.manager.frame(at: test.manager.linearAddress(of: FrameNumber(frame))) == nil)
      #expect(throws: MemoryError.badFree(.foreign)) { try test.manager.freeFrames(FrameNumber(frame)) }
    }
    test.expectValid()
  }

  @Test func framesWhoseNumbersTakeMoreThan31BitsAreRefusedAndReported() throws {
    let edge = UInt64(1) << 43
    let banks = [
      RAMRegion(PhysicalAddress(0), byteCount: 8 * MiB),
      RAMRegion(PhysicalAddress(edge - MiB), byteCount: 64 * MiB),
    ]
    let test = try TestMachine(ram: banks)
    #expect(test.manager.refusedFrames == PageCount(frames(63 * MiB)))
    #expect(test.manager.frames.managed == PageCount(frames(9 * MiB) - 1))
    let taken = test.takeAllFrames()
    #expect(taken.max() == frames(edge) - 1)
    #expect(throws: MemoryError.badFree(.foreign)) { try test.manager.freeFrames(FrameNumber(frames(edge))) }
    test.expectValid()
  }
}
