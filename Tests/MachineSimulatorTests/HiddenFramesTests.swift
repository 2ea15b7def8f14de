import CMachine
import KernelMemory
import MachineSimulator
import Testing

/// What goes round the CPUs, and touches frames that nobody has.
@Suite struct HiddenFramesTests {
  private static let frame = UInt64(500)

  /// A machine whose frame 500 is hidden, and free as long as `Lists` says so.
  private final class Lists { var frames: Set<UInt64> = [HiddenFramesTests.frame] }

  private func make(stayZero: Bool = false, byteCount: UInt64 = 4 * MiB) throws -> (Tables, Lists) {
    let tables = try Tables(ram: [RAMRegion(PhysicalAddress(0), byteCount: byteCount)])
    let lists = Lists()
    tables.machine.isFrameListed = { lists.frames.contains($0.rawValue) }
    tables.machine.hide(FrameNumber(Self.frame), count: PageCount(1), stayZero: stayZero)
    return (tables, lists)
  }

  private static let place = frame << 12 + 8

  @Test func aReadAndAWriteAreSeen() throws {
    let (tables, _) = try make()
    #expect(tables[physical: Self.place] == 0)
    let read = try #require(tables.machine.takeViolation())
    #expect(read.description == "frame 500 was read through the linear map while it was free")
    #expect(tables.machine.takeViolation() == nil)
    tables.machine.hide(FrameNumber(Self.frame), count: PageCount(1))
    tables[physical: Self.place] = 7
    #expect(tables.machine.takeViolation()?.description.contains("was written") == true)
    #expect(tables[physical: Self.place] == 7)
    #expect(tables.machine.takeViolation() == nil)
  }

  @Test func theCPUIsNamed() throws {
    let (tables, _) = try make()
    tables.machine.onCPU(3) { _ = tables[physical: Self.place] }
    #expect(tables.machine.takeViolation()?.cpu == 3)
  }

  @Test func neighboursMayBeTouched() throws {
    let (tables, _) = try make()
    for neighbour in [Self.frame - 1, Self.frame + 1] { tables[physical: neighbour << 12] = 1 }
    #expect(tables.machine.takeViolation() == nil)
  }

  /// It was taken meanwhile, which is nobody's business but the manager's.
  @Test func whatIsOnNoListMayBeTouched() throws {
    let (tables, lists) = try make()
    lists.frames = []
    tables[physical: Self.place] = 7
    #expect(tables[physical: Self.place] == 7)
    #expect(tables.machine.takeViolation() == nil)
  }

  @Test func framesThatStayZeroMayBeRead() throws {
    let (tables, _) = try make(stayZero: true)
    #expect(tables[physical: Self.place] == 0)
    #expect(tables.machine.takeViolation() == nil)
    tables[physical: Self.place] = 0
    #expect(tables.machine.takeViolation()?.description.contains("was written") == true)
  }

  /// Accesses of CPUs are judged by `isFrameFree`.
  @Test func aCPUIsNotTakenForTheManager() throws {
    let (tables, _) = try make()
    tables.map(highAddress, to: Self.frame << 12)
    #expect(tables.machine.cause(.write, highAddress) == nil)
    #expect(tables.machine.takeViolation() == nil)
  }

  @Test func aCheckpointHoldsWhatIsHidden() throws {
    let (tables, _) = try make()
    let checkpoint = tables.machine.checkpoint()
    tables.machine.hide(FrameNumber(Self.frame), count: PageCount(1))
    tables.machine.restore(checkpoint)
    tables.machine.hide(FrameNumber(Self.frame), count: PageCount(1))
    tables.machine.fillRAM(with: 1)
    #expect(tables.machine.takeViolation() == nil)
  }

  @Test func whatTheManagerFreesIsHidden() throws {
    let (tables, lists) = try make()
    lists.frames = [40, 41]
    for (frame, staysZero) in [(UInt64(40), false), (41, true)] {
      let address = tables.machine.linearMap.virtualAddress(of: PhysicalAddress(frame << 12))
      cmachine_memory_freed(UInt(address.rawValue), 4096, staysZero)
    }
    _ = tables[physical: 41 << 12]
    #expect(tables.machine.takeViolation() == nil)
    _ = tables[physical: 40 << 12]
    #expect(tables.machine.takeViolation()?.description.contains("frame 40 was read") == true)
    lists.frames = []
    tables.machine.isFrameListed = nil
    tables[physical: 41 << 12] = 1
    #expect(tables.machine.takeViolation() == nil)
  }

  @Test func nothingIsHiddenWhereItCannotBe() throws {
    let (large, _) = try make(byteCount: 65 * MiB)
    _ = large[physical: Self.place]
    #expect(large.machine.takeViolation() == nil)
    let (late, _) = try make()
    late.machine.memoryOrder = .delayed
    late.machine.hide(FrameNumber(Self.frame), count: PageCount(1))
    _ = late[physical: Self.place]
    #expect(late.machine.takeViolation() == nil)
    let (incoherent, _) = try make()
    incoherent.machine.hasIncoherentCache = true
    incoherent.machine.hide(FrameNumber(Self.frame), count: PageCount(1))
    _ = incoherent[physical: Self.place]
    #expect(incoherent.machine.takeViolation() == nil)
    let (free, _) = try make()
    try free.machine.runFreely([{ _ = free[physical: Self.place] }])
    #expect(free.machine.takeViolation() == nil)
  }
}
