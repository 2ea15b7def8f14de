internal import Synchronization

/// What the package counts. Monotonic: a difference of two snapshots is what happened in between.
public enum Counter: Int, Sendable {
  /// Page-table entries made present, and made absent.
  case entriesWritten, entriesCleared
  /// Page tables put into use, and given back.
  case tablesMade, tablesReturned
  /// Large leaves replaced by a table of smaller ones.
  case leavesSplit
  /// Flushes asked of the machine: one page, some ranges, everything.
  case flushesOfPage, flushesOfRanges, flushesOfAll
  /// Areas handed out and taken back, and the pages in them, guards not counted: the sums of all tags.
  case areasAllocated, areasFreed, pagesAllocated, pagesFreed
  /// Exchanges between a CPU's cache of frames and the buddy lists.
  case frameCacheRefills, frameCacheDrains
  /// Frames taken for descriptors of areas, for good, and for their index, and those of the index given back.
  case metadataFramesTaken, metadataFramesReturned
  /// Notifications sent to other CPUs, and flushes that a CPU has made for others' requests or its own.
  case notifications, flushesServed
  /// How often a CPU was waited for in vain so long that it was reported.
  case silences
  /// Areas handed out of the warm cache, put into it, and taken out of it to be unmapped.
  case warmHits, warmCached, warmEvicted
  /// Batches of freed memory whose flush was complete.
  case batchesCompleted
  /// Objects of kmalloc and of caches, and blocks, handed out and taken back: the sums of all tags.
  case objectsAllocated, objectsFreed
  /// Exchanges between a CPU's magazine of objects and the slabs, and slabs made and given back.
  case magazineRefills, magazineDrains, slabsMade, slabsReturned
  /// Misuses of kmalloc's memory that were found, whatever they were.
  case slabViolations
  /// Frees of `VirtualBuffer`s that an NMI has dropped in the middle of this package: the next purge makes
  /// them.
  case freesDeferred
  /// Allocations that failed, and frees that were refused.
  case allocationsFailed, freesRefused

  static let count = Counter.freesRefused.rawValue + 1
}

/// One snapshot of every counter.
public struct Counters: Equatable, Sendable {
  fileprivate var values = InlineArray<48, UInt64>(repeating: 0)

  /// All zero.
  public init() {}

  /// The count of one kind.
  public subscript(_ counter: Counter) -> UInt64 { values[counter.rawValue] }

  /// What happened since `earlier`.
  public func since(_ earlier: Counters) -> Counters {
    var difference = Counters()
    for index in 0..<Counter.count {
      difference.values[index] = values[index] &- earlier.values[index]
    }
    return difference
  }

  /// Whether all counts are the same.
  public static func == (left: Counters, right: Counters) -> Bool {
    for index in 0..<Counter.count where left.values[index] != right.values[index] { return false }
    return true
  }

  mutating func add(_ amount: UInt64, to counter: Counter) { add(amount, at: counter.rawValue) }
  fileprivate mutating func add(_ amount: UInt64, at index: Int) { values[index] &+= amount }
}

/// What was done with locks since the start.
public struct LockUsage: Equatable, Sendable {
  /// Locks taken.
  public var taken: UInt64 = 0
  /// How many of them had to be waited for.
  public var waits: UInt64 = 0
}

/// One CPU's counters. Written by that CPU alone, with interrupts off; read by any.
struct CounterBlock: ~Copyable {
  private let values: InlineArray<48, Atomic<UInt64>>

  @inline(__always)
  borrowing func add(_ amount: UInt64, to counter: Counter) {
    values[counter.rawValue].bump(amount)
  }

  borrowing func add(to sum: inout Counters) {
    for index in 0..<Counter.count {
      sum.add(values[index].load(ordering: .relaxed), at: index)
    }
  }
}
