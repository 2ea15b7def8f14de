import MachineSimulator
import Synchronization
import Testing

@testable import KernelMemory
@testable import TestSupport

/// All CPUs at once, on threads of their own: what ThreadSanitizer watches (`make test` runs this suite under
/// it). An access that two threads make without an order between them is reported there, whatever comes of
/// it; what the tests themselves check holds in any order.
@Suite struct FreeThreadTests {
  /// Where CPUs leave the addresses of areas for each other.
  private final class Box {
    let address = Synchronization.Atomic<UInt64>(0)
  }

  private final class Count {
    let value = Synchronization.Atomic<Int>(0)
  }

  /// What one CPU does.
  private struct Worker {
    let test: TestMachine
    let boxes: [Box]
    let tag: KernelMemory.Tag
    var random: Randomness

    var manager: MemoryManager { test.manager }

    /// The word at the start of a page says where it is.
    private func word(_ address: VirtualAddress) -> UInt64 { address.rawValue ^ 0x5a5a_5a5a_5a5a_5a5a }

    private func page(_ page: Int, of address: VirtualAddress) -> VirtualAddress {
      VirtualAddress(address.rawValue + UInt64(page) * 4096)
    }

    mutating func run(rounds: Int) throws {
      for _ in 0..<rounds { try round() }
    }

    private mutating func round() throws {
      switch random.below(8) {
      case 0..<5: try allocateAndHandOver()
      case 5: try useFrames()
      case 6: try lookUp()
      default:
        manager.purge(budget: 1 + Int(random.below(100)))
        if random.oneIn(8) { try manager.flushRetired() }
      }
    }

    private mutating func allocateAndHandOver() throws {
      var options = VmallocOptions()
      options.tag = tag
      let pages = random.element(of: [1, 1, 1, 2, 4, 66])
      let isCleared = random.oneIn(4)
      let pointer =
        try isCleared
        ? manager.vzalloc(pages * 4096, options) : manager.vmalloc(pages * 4096, options)
      let address = VirtualAddress(pointer)
      for number in 0..<pages {
        let at = page(number, of: address)
        if isCleared {
          let old = try test.simulated.load(UInt64.self, at: at)
          if old != 0 { throw Mistake("vzalloc has left \(old)") }
        }
        try test.simulated.store(word(at), at: at)
      }
      let box = random.element(of: boxes)
      let other = box.address.exchange(address.rawValue, ordering: .acquiringAndReleasing)
      if other != 0 { try checkAndFree(VirtualAddress(other)) }
    }

    func checkAndFree(_ address: VirtualAddress) throws {
      guard let area = manager.area(containing: address), area.address == address else {
        throw Mistake("a live area is not found at \(address)")
      }
      for number in 0..<Int(area.pages.count.rawValue) {
        let at = page(number, of: address)
        let found = try test.simulated.load(UInt64.self, at: at)
        if found != word(at) { throw Mistake("the word at \(at) is \(found)") }
      }
      try manager.vfree(address.pointer)
      if test.manager.vmalloc.mode == .strict { return }
      // Nobody else frees it, but it may be somebody else's by now.
      _ = manager.frame(at: address)
    }

    private mutating func useFrames() throws {
      let order = Int(random.below(3))
      let frame = try manager.allocateFrames(order: order)
      let address = manager.linearAddress(of: frame)
      address.pointer?.storeBytes(of: address.rawValue, as: UInt64.self)
      if address.pointer?.load(as: UInt64.self) != address.rawValue {
        throw Mistake("a frame has two owners")
      }
      try manager.freeFrames(frame, order: order)
    }

    private mutating func lookUp() throws {
      let page = TestMachine.vmallocStart.rawValue + random.below(400)
      let address = PageNumber(page).address(.size4K)
      _ = manager.area(containing: address)
      _ = manager.frame(at: address)
      _ = manager.usage(of: tag)
      _ = manager.counters
      _ = manager.usage(of: .dma)
      if random.oneIn(8) { try manager.forEachArea { _ in } }
    }
  }

  @Test(arguments: [2, 4], FreeMode.all) func handingAreasOver(cpuCount: Int, mode: FreeMode) throws {
    let test = try TestMachine(
      ram: [RAMRegion(PhysicalAddress(0), byteCount: 16 << 20)], vmallocPages: 1 << 16, mode: mode,
      cpuCount: cpuCount)
    try test.manager.flushRetired()
    let frames = test.framesInUse
    let boxes = (0..<8).map { _ in Box() }
    let bodies = (0..<cpuCount).map { cpu in
      {
        let tag = try test.manager.makeTag(named: "worker")
        var worker = Worker(
          test: test, boxes: boxes, tag: tag, random: Randomness(seed: UInt64(cpu) &* 977 &+ 1))
        try worker.run(rounds: 250 * RandomTests.factor / (cpuCount / 2))
      }
    }
    try test.simulated.runFreely(bodies, seed: 1)
    let last = Worker(test: test, boxes: boxes, tag: KernelMemory.Tag.untagged, random: Randomness(seed: 0))
    for box in boxes {
      let address = box.address.load(ordering: .acquiring)
      if address != 0 { try last.checkAndFree(VirtualAddress(address)) }
    }
    try test.manager.flushRetired()
    #expect(test.framesInUse == frames)
    let counters = test.manager.counters
    #expect(counters[.areasAllocated] == counters[.areasFreed])
    #expect(counters[.areasAllocated] >= 100)
    #expect(counters[.entriesWritten] == counters[.entriesCleared])
    test.expectValid()
  }

  /// Neighbours in one table come and go by hand, on all CPUs.
  @Test(arguments: [2, 4]) func mappingNeighbours(cpuCount: Int) throws {
    let test = try TestMachine(ram: [.small], vmallocPages: 1 << 16, mode: .lazy, cpuCount: cpuCount)
    let window = TestMachine.vmallocStart.rawValue + (1 << 20)
    let bodies = (0..<cpuCount).map { cpu in
      {
        let pages = PageRange(window + UInt64(cpu), 1)
        let address = pages.first.address(.size4K)
        let frame = try test.manager.allocateFrames()
        for turn in 0..<UInt64(40 * RandomTests.factor) {
          try test.manager.map(pages, to: frame, MappingAttributes(.readWrite))
          try test.simulated.store(turn, at: address)
          if try test.simulated.load(UInt64.self, at: address) != turn { throw Mistake("another frame") }
          try test.manager.unmap(pages)
          if test.fault(.read, at: address)?.cause != .notPresent { throw Mistake("still mapped") }
        }
        try test.manager.freeFrames(frame)
      }
    }
    try test.simulated.runFreely(bodies, seed: 2)
    try test.manager.flushRetired()
    test.expectValid()
  }

  /// Of all CPUs that free a block of frames one succeeds.
  @Test(arguments: [2, 4]) func freeingTheSameFrames(cpuCount: Int) throws {
    let test = try TestMachine(ram: [.small], cpuCount: cpuCount)
    let frames = test.framesInUse
    let blocks = try (0..<300).map { (try test.manager.allocateFrames(order: $0 % 2), $0 % 2) }
    let freed = Count()
    let bodies = (0..<cpuCount).map { _ in
      {
        for (frame, order) in blocks {
          do throws(MemoryError) {
            try test.manager.freeFrames(frame, order: order)
            freed.value.wrappingAdd(1, ordering: .relaxed)
          } catch {
            if error != .badFree(.alreadyFree) { throw error }
          }
        }
      }
    }
    try test.simulated.runFreely(bodies, seed: 4)
    #expect(freed.value.load(ordering: .relaxed) == 300)
    #expect(test.manager.counters[.freesRefused] == UInt64(300 * (cpuCount - 1)))
    #expect(test.framesInUse == frames)
    test.expectValid()
  }

  /// Of all CPUs that free an area one succeeds.
  @Test(arguments: [2, 4], FreeMode.all) func freeingTheSame(cpuCount: Int, mode: FreeMode) throws {
    let test = try TestMachine(ram: [.small], vmallocPages: 1 << 16, mode: mode, cpuCount: cpuCount)
    let pointers = try (0..<200).map { try test.manager.vmalloc((1 + $0 % 3) * 4096) }
    let freed = Count()
    let bodies = (0..<cpuCount).map { _ in
      {
        for pointer in pointers {
          do throws(MemoryError) {
            try test.manager.vfree(pointer)
            freed.value.wrappingAdd(1, ordering: .relaxed)
          } catch {
            if error != .badFree(.alreadyFree) { throw error }
          }
        }
      }
    }
    try test.simulated.runFreely(bodies, seed: 3)
    #expect(freed.value.load(ordering: .relaxed) == 200)
    #expect(test.manager.counters[.areasFreed] == 200)
    #expect(test.manager.counters[.freesRefused] == UInt64(200 * (cpuCount - 1)))
    try test.manager.flushRetired()
    test.expectValid()
  }
}
