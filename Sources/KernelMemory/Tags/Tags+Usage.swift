internal import CMachine
internal import Synchronization

// What a tag has, and has had at the most
//
// A peak is a maximum over time of a sum over CPUs, and nobody takes a sum for each allocation. Each CPU has an
// allowance of 64 KiB, and what it frees gives it back as much, up to 320 KiB; when it has no more, it takes a sum,
// which is as dear as there are CPUs. The largest area that is kept warm has 256 KiB: freed and allocated in turn
// it stays within the allowance. What a CPU has live and its allowance, added up, only grow where a sum is taken:
// so since the last one, whoever took it, no CPU has come to have more than 320 KiB more, and a peak is at most
// that a CPU too low. What is allocated is read before what is freed, so that a sum is never too high; it may be
// too low, as far as below zero, and then counts as zero.

/// What one tag has been charged with; pages do not include guards.
public struct TagUsage: Equatable, Sendable {
  public var areasAllocated: UInt64 = 0
  public var areasFreed: UInt64 = 0
  public var pagesAllocated: UInt64 = 0
  public var pagesFreed: UInt64 = 0
  /// Of kmalloc and caches, blocks included.
  public var objectsAllocated: UInt64 = 0
  public var objectsFreed: UInt64 = 0
  /// Of kmalloc, sizes of classes and blocks; of vmalloc, whole pages. As in the counts of pages, what is being
  /// allocated counts, too.
  public var bytesAllocated: UInt64 = 0
  public var bytesFreed: UInt64 = 0
  /// The most that were live at once, as far as was seen: less than the truth by at most 320 KiB for each CPU,
  /// and by what others free while one looks. A single allocation of more is always seen, and so is what is live
  /// whenever a usage is asked for.
  public var peakBytes: UInt64 = 0
  /// The most objects, and the most areas, that were live at the moments at which `peakBytes` was looked for.
  public var peakObjects: UInt64 = 0
  public var peakAreas: UInt64 = 0

  // Zero where frees on other CPUs were seen, and not the allocations before them.
  public var liveAreas: UInt64 { areasAllocated.less(areasFreed) }
  public var livePages: UInt64 { pagesAllocated.less(pagesFreed) }
  public var liveObjects: UInt64 { objectsAllocated.less(objectsFreed) }
  public var liveBytes: UInt64 { bytesAllocated.less(bytesFreed) }
}

extension Tags {
  /// Bytes by which what a CPU has live may grow after a look for a peak.
  static let allowanceOfLook: UInt64 = 64 << 10
  /// The same where it has freed as much before.
  static let largestAllowance: UInt64 = 320 << 10

  /// Looks for a peak. O(CPUs).
  @inline(never)
  func look(_ tag: Tag, _ cpu: borrowing CPU) {
    mine(tag, cpu).value.allowance.store(Self.allowanceOfLook, ordering: .relaxed)
    _ = usage(of: tag)
  }

  /// The sum over all CPUs, which may be a new peak. O(CPUs).
  func usage(of tag: Tag) -> TagUsage {
    var sum = TagUsage()
    let shift = state.value.pageShift
    for cpu in 0..<state.value.cpus.count {
      let charges = charges(of: tag, cpu)
      sum.areasAllocated &+= charges.value.areas.allocated.load(ordering: .acquiring)
      sum.objectsAllocated &+= charges.value.objects.allocated.load(ordering: .acquiring)
      let bytes = charges.value.areas.bytesAllocated.load(ordering: .acquiring)
      sum.pagesAllocated &+= bytes &>> shift
      sum.bytesAllocated &+= bytes &+ charges.value.objects.bytesAllocated.load(ordering: .acquiring)
    }
    cmachine_step(cmachine_step_sum_begun)
    for cpu in 0..<state.value.cpus.count {
      let charges = charges(of: tag, cpu)
      sum.areasFreed &+= charges.value.areas.freed.load(ordering: .relaxed)
      sum.objectsFreed &+= charges.value.objects.freed.load(ordering: .relaxed)
      let bytes = charges.value.areas.bytesFreed.load(ordering: .relaxed)
      sum.pagesFreed &+= bytes &>> shift
      sum.bytesFreed &+= bytes &+ charges.value.objects.bytesFreed.load(ordering: .relaxed)
    }
    let shared = shared(of: tag)
    sum.peakBytes = shared.value.peakBytes.raise(to: sum.liveBytes)
    sum.peakObjects = shared.value.peakObjects.raise(to: sum.liveObjects)
    sum.peakAreas = shared.value.peakAreas.raise(to: sum.liveAreas)
    return sum
  }
}

extension Atomic where Value == UInt64 {
  /// Makes this at least `value`.
  /// - Returns: what it is then.
  fileprivate borrowing func raise(to value: UInt64) -> UInt64 {
    let old = load(ordering: .relaxed)
    guard value > old else { return old }
    return max(value, ordering: .relaxed).newValue
  }
}

extension UInt64 {
  /// A difference of sums that others move meanwhile: never below zero.
  @inline(__always)
  func less(_ other: UInt64) -> UInt64 { self > other ? self &- other : 0 }
}
