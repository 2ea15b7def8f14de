internal import Synchronization

// What a tag has, and has had at the most
//
// A peak is a maximum over time of a sum over CPUs, and nobody takes a sum for each allocation. Each CPU may
// allocate 64 KiB unseen, and what it frees gives it back as much, up to those 64 KiB; when it has no more, it
// takes a sum. What a CPU has live and what it may still allocate unseen, added up, only grow where a sum is
// taken: so since the last one, whoever took it, no CPU has come to have more than 64 KiB more, and a peak is at
// most 64 KiB a CPU too low. What is allocated is read before what is freed, so that a sum is never too high.

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
  /// The most that were live at once, as far as was seen: less than the truth by at most 64 KiB for each CPU,
  /// and by what others free while one looks. A single allocation of more is always seen, and so is what is live
  /// whenever a usage is asked for.
  public var peakBytes: UInt64 = 0
  /// The most objects, and the most areas, that were live at the moments at which `peakBytes` was looked for.
  public var peakObjects: UInt64 = 0
  public var peakAreas: UInt64 = 0

  public var liveAreas: UInt64 { areasAllocated &- areasFreed }
  public var livePages: UInt64 { pagesAllocated &- pagesFreed }
  public var liveObjects: UInt64 { objectsAllocated &- objectsFreed }
  public var liveBytes: UInt64 { bytesAllocated &- bytesFreed }
}

extension Tags {
  /// Bytes by which what a CPU has live may grow between two looks for a peak.
  static let lookInterval: UInt64 = 64 << 10

  /// Looks for a peak. O(CPUs).
  @inline(never)
  func look(_ tag: Tag, _ cpu: borrowing CPU) {
    mine(tag, cpu).value.unseen.store(Self.lookInterval, ordering: .relaxed)
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
  /// Makes this at least `value`, unless that is the difference of a sum in which frees overtook allocations.
  /// - Returns: what it is then.
  fileprivate borrowing func raise(to value: UInt64) -> UInt64 {
    let old = load(ordering: .relaxed)
    guard value > old, value <= UInt64(Int64.max) else { return old }
    return max(value, ordering: .relaxed).newValue
  }
}
