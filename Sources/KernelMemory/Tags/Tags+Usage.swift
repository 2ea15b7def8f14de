internal import Synchronization

// What a tag has, and has had at the most
//
// A peak is a maximum over time of a sum over CPUs, and nobody takes a sum for each allocation. Each CPU takes
// one when it has allocated another 64 KiB since its last, objects and areas counted. Between two sums, no CPU
// has allocated more than that unseen, so a peak is at most 64 KiB a CPU too low. What is allocated is read
// before what is freed, so that a sum is never too high.

/// What one tag has been charged with; pages do not include guards.
public struct TagUsage: Equatable, Sendable {
  public var areasAllocated: UInt64 = 0
  public var areasFreed: UInt64 = 0
  public var pagesAllocated: UInt64 = 0
  public var pagesFreed: UInt64 = 0
  /// Of kmalloc and caches, blocks included.
  public var objectsAllocated: UInt64 = 0
  public var objectsFreed: UInt64 = 0
  /// Of kmalloc, sizes of classes and blocks; of vmalloc, whole pages. What is being allocated counts, too.
  public var bytesAllocated: UInt64 = 0
  public var bytesFreed: UInt64 = 0
  /// The most that were live at once, as far as was seen: less than the truth by at most 64 KiB that each CPU
  /// has allocated since it last looked, and by what others free while one looks. A single allocation of
  /// more is always seen, and so is what is live whenever a usage is asked for.
  public var peakBytes: UInt64 = 0
  /// The most objects, and the most areas, that were live at the moments at which `peakBytes` was looked for.
  public var peakObjects: UInt64 = 0
  public var peakAreas: UInt64 = 0

  public var liveAreas: UInt64 { areasAllocated &- areasFreed }
  public var livePages: UInt64 { pagesAllocated &- pagesFreed }
  public var liveObjects: UInt64 { objectsAllocated &- objectsFreed }
  public var liveBytes: UInt64 { bytesAllocated &- bytesFreed }
}

extension Tags.Charges {
  @inline(__always)
  var isSampleDue: Bool {
    // By the difference: a charge that is undone may bring the word below zero.
    let ahead = bytesAllocated.load(ordering: .relaxed) &- nextSample.load(ordering: .relaxed)
    return Int64(bitPattern: ahead) >= 0
  }
}

extension Tags {
  /// Bytes that a CPU allocates between two looks for a peak.
  static let sampleInterval: UInt64 = 64 << 10

  /// Looks for a peak. O(CPUs).
  @inline(never)
  func sample(_ tag: Tag, _ cpu: borrowing CPU) {
    let mine = charges(of: tag, cpu.number)
    let next = mine.value.bytesAllocated.load(ordering: .relaxed) &+ Self.sampleInterval
    mine.value.nextSample.store(next, ordering: .relaxed)
    _ = usage(of: tag)
  }

  /// The sum over all CPUs, which may be a new peak. O(CPUs).
  func usage(of tag: Tag) -> TagUsage {
    var sum = TagUsage()
    for cpu in 0..<state.value.cpus.count {
      let charge = charges(of: tag, cpu)
      sum.areasAllocated &+= charge.value.areasAllocated.load(ordering: .acquiring)
      sum.pagesAllocated &+= charge.value.pagesAllocated.load(ordering: .acquiring)
      sum.objectsAllocated &+= charge.value.objectsAllocated.load(ordering: .acquiring)
      sum.bytesAllocated &+= charge.value.bytesAllocated.load(ordering: .acquiring)
    }
    for cpu in 0..<state.value.cpus.count {
      let charge = charges(of: tag, cpu)
      sum.areasFreed &+= charge.value.areasFreed.load(ordering: .relaxed)
      sum.pagesFreed &+= charge.value.pagesFreed.load(ordering: .relaxed)
      sum.objectsFreed &+= charge.value.objectsFreed.load(ordering: .relaxed)
      sum.bytesFreed &+= charge.value.bytesFreed.load(ordering: .relaxed)
    }
    let shared = shared(of: tag)
    sum.peakBytes = shared.value.peakBytes.raise(to: sum.liveBytes)
    sum.peakObjects = shared.value.peakObjects.raise(to: sum.liveObjects)
    sum.peakAreas = shared.value.peakAreas.raise(to: sum.liveAreas)
    return sum
  }
}

extension Atomic where Value == UInt64 {
  /// Makes this at least `value`, unless that is the difference of a sum in which frees overtook allocations.
  /// - Returns: what it is then.
  fileprivate borrowing func raise(to value: UInt64) -> UInt64 {
    let old = load(ordering: .relaxed)
    guard value > old, value <= UInt64(Int64.max) else { return old }
    return max(value, ordering: .relaxed).newValue
  }
}
