import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// An operation of kmalloc, of caches or across both sides, for which exactly so many frames are left: it
/// succeeds, or fails and changes nothing; it must fail with fewer than it needs, and must succeed with what
/// suffices. Between the two it depends on whether frames lie side by side.
enum NthSlabFailure: CaseIterable {
  case kreallocOfNothing, kreallocToAnotherClass, kreallocToABlock
  case kvmallocSmall, kvmallocEither, kvmallocVirtual
  case kvreallocToVirtual, kvreallocToLinear, kvreallocWithinVirtual
  case makeCache, allocateFromCache, destroyCache

  /// Frames: of the index of areas 4, of tables 2.
  var bounds: (needed: UInt64, sufficient: UInt64) {
    switch self {
    case .kreallocOfNothing, .kreallocToAnotherClass, .kvmallocSmall, .allocateFromCache: (1, 8)
    case .kreallocToABlock: (4, 16)
    // A block of 8 frames, or 5 pages.
    case .kvmallocEither: (8, 4 + 5 + 2)
    case .kvmallocVirtual, .kvreallocToVirtual: (4 + 25 + 2, 4 + 25 + 2)
    // The 25 pages come back in the end, but are there during the copy.
    case .kvreallocToLinear: (1, 8)
    case .kvreallocWithinVirtual: (50, 50 + 1)
    case .makeCache, .destroyCache: (0, 0)
    }
  }

  static let byteCount = 100_000

  /// What is there before.
  struct Prepared {
    var pointer: UnsafeMutableRawPointer?
    var cache: SlabCache?
  }

  func prepare(_ manager: MemoryManager) throws -> Prepared {
    switch self {
    case .kreallocOfNothing, .kvmallocSmall, .kvmallocEither, .kvmallocVirtual, .makeCache:
      return Prepared()
    case .kreallocToAnotherClass, .kreallocToABlock, .kvreallocToVirtual:
      let pointer = try manager.kmalloc(64)
      pointer.storeBytes(of: 0x5a5a_1234, as: UInt32.self)
      return Prepared(pointer: pointer)
    case .kvreallocToLinear, .kvreallocWithinVirtual:
      return Prepared(pointer: try manager.kvmalloc(Self.byteCount))
    case .allocateFromCache:
      return Prepared(cache: try manager.makeCache(named: "things", objectSize: 1_000))
    case .destroyCache:
      let cache = try manager.makeCache(named: "things", objectSize: 1_000)
      let pointers = try (0..<9).map { _ in try manager.allocate(from: cache) }
      for pointer in pointers { try manager.kfree(pointer) }
      return Prepared(cache: cache)
    }
  }

  /// Does it, and returns what there is to undo then.
  func operate(_ manager: MemoryManager, _ old: Prepared) throws -> Prepared {
    var new = old
    switch self {
    case .kreallocOfNothing: new.pointer = try manager.krealloc(nil, 1_000)
    case .kreallocToAnotherClass: new.pointer = try manager.krealloc(old.pointer, 1_000)
    case .kreallocToABlock: new.pointer = try manager.krealloc(old.pointer, 16_384)
    case .kvmallocSmall: new.pointer = try manager.kvmalloc(2_000)
    case .kvmallocEither: new.pointer = try manager.kvmalloc(20_000)
    case .kvmallocVirtual: new.pointer = try manager.kvmalloc(Self.byteCount)
    case .kvreallocToVirtual: new.pointer = try manager.kvrealloc(old.pointer, Self.byteCount)
    case .kvreallocToLinear:
      var policy = KvmallocPolicy()
      policy.mustBeContiguous = true
      new.pointer = try manager.kvrealloc(old.pointer, 1_000, policy)
    case .kvreallocWithinVirtual: new.pointer = try manager.kvrealloc(old.pointer, 2 * Self.byteCount)
    case .makeCache: new.cache = try manager.makeCache(named: "things", objectSize: 1_000)
    case .allocateFromCache: new.pointer = try manager.allocate(from: try #require(old.cache))
    case .destroyCache:
      try manager.destroy(try #require(old.cache))
      new.cache = nil
    }
    return new
  }

  func run(left: UInt64) throws {
    let test = try TestMachine(ram: [.small])
    let framesAtFirst = test.framesInUse
    let old = try prepare(test.manager)
    var new = try test.withFramesLeft(left) { try attempt(test, old, left: left) }
    if new == nil {
      expectContents(old.pointer)
      new = try operate(test.manager, old)
    }
    expectContents(new?.pointer)
    test.expectValid()
    try test.manager.kvfree(new?.pointer)
    if let cache = new?.cache { try test.manager.destroy(cache) }
    test.drainSlabs()
    test.expectValid()
    #expect(test.framesInUse == framesAtFirst, "\(self), \(left) frames left")
  }

  private func expectContents(_ pointer: UnsafeMutableRawPointer?) {
    guard self == .kreallocToAnotherClass || self == .kreallocToABlock else { return }
    #expect(pointer?.load(as: UInt32.self) == 0x5a5a_1234)
  }

  private func attempt(_ test: TestMachine, _ old: Prepared, left: UInt64) throws -> Prepared? {
    let before = Snapshot(of: test.manager)
    let failures = test.manager.counters[.allocationsFailed]
    do {
      let new = try operate(test.manager, old)
      #expect(left >= bounds.needed, "\(self) succeeded with \(left) frames left")
      return new
    } catch let error as MemoryError {
      #expect(left < bounds.sufficient, "\(self) failed with \(left) frames left: \(error)")
      #expect(error.isOfFrames, "\(self), \(left) frames left: \(error)")
      test.expectUnchanged(since: before)
      test.expectValid()
      #expect(test.manager.counters[.allocationsFailed] == failures + 1)
      return nil
    }
  }
}

@Suite struct NthFailureSlabTests {
  @Test(arguments: NthSlabFailure.allCases)
  func everyShortageLeavesAllAsItWas(operation: NthSlabFailure) throws {
    for left in 0...operation.bounds.sufficient + 2 { try operation.run(left: left) }
  }

  @Test(arguments: 0...10) func everyShortageOfABlockLeavesAllAsItWas(order: UInt64) throws {
    let needed = UInt64(1) << order
    for left in Set([0, 1, needed / 2, needed - 1, needed, needed + 1, 2 * needed]).sorted() {
      let test = try TestMachine(ram: [RAMRegion(PhysicalAddress(0), byteCount: 20 << 20)])
      let framesAtFirst = test.framesInUse
      let failed = try test.withFramesLeft(left) {
        let before = Snapshot(of: test.manager)
        do throws(MemoryError) {
          try test.manager.kfree(try test.manager.kmalloc(4096 << Int(order)))
          #expect(left >= needed)
          return false
        } catch {
          #expect(error.isOfFrames, "\(error)")
          test.expectUnchanged(since: before)
          test.expectValid()
          return true
        }
      }
      #expect(failed || left >= needed)
      test.drainSlabs()
      try test.manager.kfree(try test.manager.kmalloc(4096 << Int(order)))
      test.drainSlabs()
      test.expectValid()
      #expect(test.framesInUse == framesAtFirst)
    }
  }
}
