import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

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
    #expect(test.fault(.read, at: end)?.cause == .notPresent)
    test.expectValid()
    try test.manager.vfree(pointer)
    for page in 0..<UInt64(5) {
      for access in Fault.Access.allCases {
        let fault = test.fault(access, at: VirtualAddress(start.rawValue + page * 4096))
        #expect(fault?.cause == .notPresent)
      }
    }
    test.expectValid()
  }

  /// A guard of n pages faults on each of them, and what follows is the next area.
  @Test(arguments: [0, 1, 3] as [UInt16])
  func guardsFault(guardPages: UInt16) throws {
    let test = try TestMachine(ram: [.small])
    var options = VmallocOptions()
    options.guardPages = guardPages
    let first = VirtualAddress(try test.manager.vmalloc(4096, options)).number(.size4K)
    let second = VirtualAddress(try test.manager.vmalloc(4096, options)).number(.size4K)
    #expect(second.rawValue == first.rawValue + 1 + UInt64(guardPages))
    for page in first.rawValue + 1..<second.rawValue {
      for access in Fault.Access.allCases {
        #expect(test.fault(access, at: PageNumber(page))?.cause == .notPresent)
      }
    }
    #expect(test.fault(.write, at: second) == nil)
  }

  @Test(arguments: [1, 8, 4096, 8192, 1 << 16, 1 << 21, 1 << 30, 1 << 39] as [UInt64])
  func alignmentIsHonoured(alignment: UInt64) throws {
    let test = try TestMachine(ram: [.small])
    var options = VmallocOptions()
    options.alignment = alignment
    for _ in 0..<3 {
      let address = VirtualAddress(try test.manager.vmalloc(5000, options))
      #expect(address.rawValue % max(alignment, 4096) == 0)
    }
    test.expectValid()
  }

  @Test func elementsOfAStride() throws {
    let test = try TestMachine(ram: [.small])
    let pointer = try test.manager.vmalloc(count: 3, stride: 5000)
    let area = try #require(test.manager.area(containing: VirtualAddress(pointer)))
    #expect(area.byteCount == 15000)
    #expect(area.pages.count == PageCount(4))
  }

  @Test func anAreaSaysWhatItWasAskedFor() throws {
    let test = try TestMachine(ram: [.small])
    var options = VmallocOptions()
    options.address = VirtualAddress(TestMachine.vmallocStart.rawValue << 12 + 1 << 30)
    options.guardPages = 7
    options.protection = .readExecute
    options.cache = .uncached
    options.tag = try test.manager.makeTag(named: "somebody")
    let pointer = try test.manager.vmalloc(5001, options)
    let area = try #require(test.manager.area(containing: VirtualAddress(pointer)))
    #expect(area.address == options.address)
    #expect(VirtualAddress(pointer) == options.address)
    #expect(area.byteCount == 5001)
    #expect(area.pages.count == PageCount(2))
    #expect(area.guardPages == PageCount(7))
    #expect(area.protection == .readExecute)
    #expect(area.cache == .uncached)
    #expect(area.tag == options.tag)
    #expect(area.areas == test.manager.vmallocAreas)
  }

  /// Frames need not be contiguous: memory is had from free frames of which no two are neighbours.
  @Test func scatteredFramesAreEnough() throws {
    let test = try TestMachine(ram: [.small])
    var frames: [FrameNumber] = []
    let warm = try test.manager.vmalloc(1)
    try test.manager.allocateFrames(count: Int(test.framesLeft)) { frames.append($0) }
    for frame in frames where frame.rawValue % 2 == 0 { try test.manager.freeFrames(frame) }
    let pointer = try test.manager.vmalloc(300 * 4096)
    let area = try #require(test.manager.area(containing: VirtualAddress(pointer)))
    var runs = 0
    // What is done with a run may take memory, as an array of a kernel with a heap does.
    test.manager.forEachRun(of: area) { _ in
      #expect(throws: Never.self) { try test.manager.kfree(try test.manager.kmalloc(64)) }
    }
    test.manager.forEachRun(of: area) { run in
      runs += 1
      #expect(run.count == PageCount(1))
    }
    #expect(runs == 300)
    test.expectValid()
    try test.manager.vfree(pointer)
    try test.manager.vfree(warm)
    for frame in frames where frame.rawValue % 2 == 1 { try test.manager.freeFrames(frame) }
    test.expectValid()
  }

  @Test func everythingComesBack() throws {
    let test = try TestMachine(ram: [.small])
    let before = Snapshot(of: test.manager)
    let pointers = try [1, 4096, 4097, 600 * 4096, 12345].map { try test.manager.vmalloc($0) }
    for index in [3, 0, 4, 2, 1] { try test.manager.vfree(pointers[index]) }
    Snapshot(of: test.manager).expectSameMemory(as: before)
    test.expectValid()
  }
}

// MARK: - vzalloc

extension VmallocTests {
  /// All memory is made dirty first. Zeroes reach to the end of the last page.
  @Test(arguments: [1, 4095, 4096, 4097, 100 * 4096 + 17])
  func vzallocClearsRecycledFrames(byteCount: Int) throws {
    let test = try TestMachine(ram: [.small])
    let dirty = try test.manager.vmalloc(1500 * 4096)
    let ones = [UInt8](repeating: 0xff, count: 1500 * 4096)
    try test.simulated.store(ones, at: VirtualAddress(dirty))
    try test.manager.vfree(dirty)
    let pointer = try test.manager.vzalloc(byteCount)
    let pages = (byteCount + 4095) / 4096
    let bytes = try test.simulated.load(byteCount: pages * 4096, at: VirtualAddress(pointer))
    let isZero = bytes.allSatisfy { $0 == 0 }
    #expect(isZero)
    test.expectValid()
    try test.manager.vfree(pointer)
    // Without clearing, the same frames come dirty.
    let recycled = try test.manager.vmalloc(1000 * 4096)
    #expect(try test.simulated.load(byteCount: 1000 * 4096, at: VirtualAddress(recycled)).contains(0xff))
  }

  @Test func vzallocClearsWhatItsCallerCannotWrite() throws {
    let test = try TestMachine(ram: [.small])
    let dirty = try test.manager.vmalloc(1500 * 4096)
    try test.simulated.store([UInt8](repeating: 0xff, count: 1500 * 4096), at: VirtualAddress(dirty))
    try test.manager.vfree(dirty)
    var options = VmallocOptions()
    options.protection = .readOnly
    let pointer = try test.manager.vzalloc(8192, options)
    let isZero = try test.simulated.load(byteCount: 8192, at: VirtualAddress(pointer)).allSatisfy { $0 == 0 }
    #expect(isZero)
  }
}

// MARK: - Options that reach the hardware

extension VmallocTests {
  @Test(
    arguments: [
      (.readOnly, .writeToReadOnly, .executeOfNoExecute), (.readWrite, nil, .executeOfNoExecute),
      (.readExecute, .writeToReadOnly, nil), (.writableExecutable, nil, nil),
    ] as [(Protection, Fault.Cause?, Fault.Cause?)])
  func protectionIsEnforced(protection: Protection, writing: Fault.Cause?, executing: Fault.Cause?) throws {
    let test = try TestMachine(ram: [.small])
    var options = VmallocOptions()
    options.protection = protection
    let start = VirtualAddress(try test.manager.vmalloc(3 * 4096, options)).rawValue
    for offset in [0, 4096, 3 * 4096 - 1] as [UInt64] {
      #expect(test.fault(.read, at: VirtualAddress(start + offset)) == nil)
      #expect(test.fault(.write, at: VirtualAddress(start + offset))?.cause == writing)
      #expect(test.fault(.execute, at: VirtualAddress(start + offset))?.cause == executing)
    }
    try test.manager.vfree(test.pointer(start))
    #expect(test.fault(.read, at: VirtualAddress(start))?.cause == .notPresent)
  }

  /// The index of the page-attribute table that the hardware sees.
  @Test(
    arguments: [
      (.writeBack, 0), (.writeCombining, 1), (.uncachedMinus, 2), (.uncached, 3), (.writeThrough, 7),
    ] as [(CacheType, UInt8)])
  func cacheTypeReachesTheEntry(cache: CacheType, patIndex: UInt8) throws {
    let test = try TestMachine(ram: [.small])
    var options = VmallocOptions()
    options.cache = cache
    let pointer = try test.manager.vmalloc(8192, options)
    let translation = try test.simulated.translation(of: VirtualAddress(pointer))
    #expect(translation.memoryType == patIndex)
    #expect(translation.isGlobal)
    #expect(!translation.isUser)
  }

  @Test func theZoneIsHonoured() throws {
    let test = try TestMachine()
    let limit = FrameNumber((16 << 20) >> 12)
    for (zone, isLow) in [(ZoneKind.dma, true), (.dma32, false), (.normal, false)] {
      var options = VmallocOptions()
      options.zone = zone
      let pointer = try test.manager.vmalloc(20 * 4096, options)
      for page in 0..<UInt64(20) {
        let address = VirtualAddress(VirtualAddress(pointer).rawValue + page * 4096)
        let frame = try #require(test.manager.frame(at: address))
        #expect((frame < limit) == isLow)
      }
    }
  }

  /// More than the upper zone has comes from the lower one as well.
  @Test func aZoneFallsBack() throws {
    let test = try TestMachine()
    let upper = test.manager.usage(of: .dma32).free.rawValue + test.manager.usage(of: .dma32).cached.rawValue
    let pointer = try test.manager.vmalloc(Int(upper + 10) * 4096)
    #expect(test.manager.usage(of: .dma32).free == .zero)
    #expect(test.manager.usage(of: .dma).used.rawValue >= 10)
    try test.manager.vfree(pointer)
    test.expectValid()
  }
}
