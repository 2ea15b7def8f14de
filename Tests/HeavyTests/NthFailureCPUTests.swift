import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// An operation on one of two CPUs for which exactly so many frames are left besides what the other one, or
/// the same, keeps of what was freed: it succeeds, or fails and changes nothing but that less is kept. It
/// must fail with fewer than it needs, and must succeed with what suffices; between the two it depends on
/// where frames lie.
enum NthFailureOfCPUs: CaseIterable {
  /// Nothing is kept: an area of a whole large leaf, one that is longer, and borrowed frames.
  case largeLeaf, largeLeafAndPages, borrowing
  /// What sleeps, or is cached, on this CPU is had with nothing.
  case waking, wakingLarge, borrowingAgain
  /// What sleeps, or is cached, on the other CPU is taken apart for an area of another kind.
  case takingFromTheOther, takingLargeFromTheOther

  /// Frames: of the index of areas 4, of tables 2, of which a large leaf wants 1.
  var bounds: (needed: UInt64, sufficient: UInt64) {
    switch self {
    case .largeLeaf: (4 + 512 + 1, 4 + 512 + 2)
    case .largeLeafAndPages: (4 + 515 + 2, 4 + 515 + 3)
    case .borrowing: (4 + 2, 4 + 2)
    case .waking, .wakingLarge, .borrowingAgain: (0, 0)
    // The index is there, as are the tables, in the end.
    case .takingFromTheOther: (10, 12)
    case .takingLargeFromTheOther: (1, 3)
    }
  }

  /// Those around which the outcome changes.
  var numbers: [UInt64] {
    let (needed, sufficient) = bounds
    return Set((0...6) + Array(needed - min(needed, 3)...sufficient + 2)).sorted()
  }

  /// What it has is given back by `undo`.
  private struct Had {
    let pointer: UnsafeMutableRawPointer
    let isBorrowed: Bool

    func undo(_ manager: MemoryManager) throws {
      if isBorrowed { try manager.vunmap(pointer) } else { try manager.vfree(pointer) }
    }
  }

  private func operate(_ manager: MemoryManager, _ frames: [FrameNumber]) throws -> Had {
    var options = VmallocOptions()
    let pages: Int
    switch self {
    case .borrowing, .borrowingAgain:
      return Had(pointer: try frames.withUnsafeBufferPointer { try manager.vmap($0) }, isBorrowed: true)
    case .largeLeaf, .wakingLarge: pages = 512
    case .largeLeafAndPages: pages = 515
    case .waking: pages = 20
    case .takingFromTheOther:
      (pages, options.protection) = (30, .readOnly)
    case .takingLargeFromTheOther:
      (pages, options.leaves) = (512, .base)
    }
    return Had(pointer: try manager.vmalloc(pages * 4096, options), isBorrowed: false)
  }

  /// What is freed, while memory is short, on CPU 0.
  private func prepare(_ manager: MemoryManager, _ frames: [FrameNumber]) throws -> Had? {
    switch self {
    case .largeLeaf, .largeLeafAndPages, .borrowing: nil
    case .waking, .takingFromTheOther: Had(pointer: try manager.vmalloc(20 * 4096), isBorrowed: false)
    case .wakingLarge, .takingLargeFromTheOther:
      Had(pointer: try manager.vmalloc(512 * 4096), isBorrowed: false)
    case .borrowingAgain: try operate(manager, frames)
    }
  }

  /// Whether it is of what is kept of the freed: in strict mode nothing is.
  var needsKept: Bool {
    switch self {
    case .largeLeaf, .largeLeafAndPages, .borrowing: false
    default: true
    }
  }

  /// The CPU that does it.
  private var cpu: Int {
    switch self {
    case .waking, .wakingLarge, .borrowingAgain: 0
    default: 1
    }
  }

  func run(left: UInt64, _ mode: FreeMode) throws {
    let test = try TestMachine(
      ram: [RAMRegion(PhysicalAddress(0), byteCount: 16 << 20)], mode: mode, cpuCount: 2)
    let manager = test.manager
    var frames: [FrameNumber] = []
    try manager.allocateFrames(count: 5) { frames.append($0) }
    let inUse = test.framesInUse
    let old = try prepare(manager, frames)
    let succeeds = try test.withFramesLeft(left) {
      try old?.undo(manager)
      // As often as an idle loop would: flushed, and not old yet.
      if old != nil { manager.purge() }
      #expect(test.framesLeft == left)
      return try test.simulated.onCPU(cpu) { try attempt(test, frames, old, left) }
    }
    if !succeeds { try test.simulated.onCPU(cpu) { try operate(manager, frames).undo(manager) } }
    test.expectValid()
    #expect(test.retainedProblem == nil)
    try manager.flushRetired()
    #expect(test.framesInUse == inUse, "\(self), \(left) frames left")
  }

  private func attempt(
    _ test: TestMachine, _ frames: [FrameNumber], _ old: Had?, _ left: UInt64
  ) throws -> Bool {
    let manager = test.manager
    let before = Before(test, flushed: old == nil)
    do {
      let new = try operate(manager, frames)
      #expect(left >= bounds.needed, "\(self) succeeded with \(left) frames left")
      if bounds.sufficient == 0 {
        #expect(new.pointer == old?.pointer)
        #expect(test.framesLeft == left && test.framesInUse == before.inUse)
      }
      test.expectValid()
      #expect(test.retainedProblem == nil)
      try new.undo(manager)
      return true
    } catch let error as MemoryError {
      #expect(left < bounds.sufficient, "\(self) failed with \(left) frames left: \(error)")
      #expect(error.isOfFrames, "\(self), \(left) frames left: \(error)")
      test.expectValid()
      #expect(test.retainedProblem == nil)
      before.expectUnchanged(test)
      return false
    }
  }

  /// What a failure leaves as it was: all of it where nothing is kept, and else what is not kept.
  private struct Before {
    let inUse: UInt64
    let usage: TagUsage
    let failures: UInt64
    let snapshot: Snapshot?

    init(_ test: TestMachine, flushed: Bool) {
      inUse = test.framesInUse
      usage = test.manager.usage(of: .untagged)
      failures = test.manager.counters[.allocationsFailed]
      snapshot = flushed ? Snapshot(of: test.manager) : nil
    }

    func expectUnchanged(_ test: TestMachine) {
      #expect(test.manager.counters[.allocationsFailed] == failures + 1)
      #expect(test.manager.usage(of: .untagged) == usage)
      #expect(test.framesInUse <= inUse)
      if let snapshot { test.expectUnchanged(since: snapshot) }
    }
  }
}

@Suite struct NthFailureCPUTests {
  static let arguments = NthFailureOfCPUs.allCases.flatMap { operation in
    FreeMode.all.filter { $0 != .strict || !operation.needsKept }.map { (operation, $0) }
  }

  @Test(arguments: arguments)
  func everyShortageLeavesAllAsItWas(operation: NthFailureOfCPUs, mode: FreeMode) throws {
    for left in operation.numbers { try operation.run(left: left, mode) }
  }
}
