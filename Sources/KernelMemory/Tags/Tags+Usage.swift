internal import CMachine
internal import Synchronization

// Usage and peaks
//
// A peak is the maximum over time of a sum over CPUs, and a sum for each allocation would cost O(CPUs). Each
// CPU has an allowance of 64 KiB, to which what it frees is added; more than 320 KiB count as 320. When it
// runs out, the CPU takes a sum. The largest area of the warm cache has 256 KiB, so a pair of it stays within
// the allowance. What a CPU has live plus its allowance grows only where a sum is taken: so no CPU has gained
// more than 320 KiB since the last sum, and a peak is too low by at most that for each CPU. What is allocated
// is read before what is freed, so a sum is never too high; it may be too low, and below zero it counts as
// zero.

/// What one tag has been charged with; pages do not include guards.
public struct TagUsage: Equatable, Sendable {
  /// Areas of vmalloc and vmap, since the tag was made.
  public var areasAllocated: UInt64 = 0
  /// Areas given back, since the tag was made.
  public var areasFreed: UInt64 = 0
  /// Pages of areas that have frames of their own, since the tag was made.
  public var pagesAllocated: UInt64 = 0
  /// Pages of such areas, given back since the tag was made.
  public var pagesFreed: UInt64 = 0
  /// Of kmalloc and caches, blocks included.
  public var objectsAllocated: UInt64 = 0
  /// Objects given back, since the tag was made.
  public var objectsFreed: UInt64 = 0
  /// Of kmalloc, sizes of classes and blocks; of vmalloc, whole pages. As in the counts of pages, what is
  /// being allocated counts, too.
  public var bytesAllocated: UInt64 = 0
  /// Bytes given back, since the tag was made.
  public var bytesFreed: UInt64 = 0
  /// The most that were live at once, as far as was seen: less than the truth by at most 320 KiB for each
  /// CPU, and by what others free while one looks. A single allocation of more is always seen, and so is what
  /// is live whenever a usage is asked for.
  public var peakBytes: UInt64 = 0
  /// The most objects, and the most areas, that were live at the moments at which `peakBytes` was looked for.
  public var peakObjects: UInt64 = 0
  /// The most areas that were live at those moments.
  public var peakAreas: UInt64 = 0

  /// Areas that are live.
  // Zero where frees on other CPUs were seen, and not the allocations before them.
  public var liveAreas: UInt64 { areasAllocated.less(areasFreed) }
  /// Pages of areas that are live.
  public var livePages: UInt64 { pagesAllocated.less(pagesFreed) }
  /// Objects that are live.
  public var liveObjects: UInt64 { objectsAllocated.less(objectsFreed) }
  /// Bytes that are live, of areas and objects together.
  public var liveBytes: UInt64 { bytesAllocated.less(bytesFreed) }
}

extension Tags {
  /// Bytes that a CPU may allocate between two samples: a sum costs O(CPUs), spread over 16 pages of 4 KiB.
  static let sampleAllowance: UInt64 = 64 << 10
  /// What frees may raise it to: one sample, and the largest area of the warm cache.
  static let largestAllowance: UInt64 = 320 << 10

  /// Looks whether what is live now is a new peak. O(CPUs).
  @inline(never)
  func samplePeak(_ tag: Tag, _ cpu: borrowing CPU) {
    local(tag, cpu).value.allowance.store(Self.sampleAllowance, ordering: .relaxed)
    // What was charged to the number before its tag was made is freed, and counts for nothing.
    _ = raisePeaks(of: tag, to: Live(total(of: tag)))
  }

  /// The sum over all CPUs since the tag was made, which may be a new peak. O(CPUs).
  func usage(of tag: Tag) -> TagUsage {
    var sum = total(of: tag)
    let shared = shared(of: tag)
    let areaBytes = shared.value.areaBytesBefore.load(ordering: .relaxed)
    let objects = shared.value.objectsBefore.load(ordering: .relaxed)
    sum.forget(
      areas: shared.value.areasBefore.load(ordering: .relaxed), pages: areaBytes &>> state.value.pageShift,
      objects: objects, bytes: areaBytes &+ shared.value.objectBytesBefore.load(ordering: .relaxed))
    let peak = raisePeaks(of: tag, to: Live(sum))
    (sum.peakBytes, sum.peakObjects, sum.peakAreas) = (peak.bytes, peak.objects, peak.areas)
    return sum
  }

  /// What is live, or was at the most.
  private struct Live {
    let bytes: UInt64
    let objects: UInt64
    let areas: UInt64

    @inline(__always)
    init(_ usage: TagUsage) {
      self.init(bytes: usage.liveBytes, objects: usage.liveObjects, areas: usage.liveAreas)
    }

    init(bytes: UInt64, objects: UInt64, areas: UInt64) {
      (self.bytes, self.objects, self.areas) = (bytes, objects, areas)
    }
  }

  /// - Returns: the peaks then.
  private func raisePeaks(of tag: Tag, to live: Live) -> Live {
    let shared = shared(of: tag)
    return Live(
      bytes: shared.value.peakBytes.raise(to: live.bytes),
      objects: shared.value.peakObjects.raise(to: live.objects),
      areas: shared.value.peakAreas.raise(to: live.areas))
  }

  /// The sum over all CPUs of what was charged to a number. O(CPUs).
  @inline(__always)
  private func total(of tag: Tag) -> TagUsage {
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
    return sum
  }

  /// Begins the usage of a tag that is made, and to whose number nothing is charged. Under the lock. O(CPUs).
  func beginUsage(of tag: Tag) {
    var (objects, objectBytes, areas, areaBytes): (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    // What was freed, since of what is allocated some may be counted for a moment that is refused then.
    for cpu in 0..<state.value.cpus.count {
      let charges = charges(of: tag, cpu)
      objects &+= charges.value.objects.freed.load(ordering: .relaxed)
      objectBytes &+= charges.value.objects.bytesFreed.load(ordering: .relaxed)
      areas &+= charges.value.areas.freed.load(ordering: .relaxed)
      areaBytes &+= charges.value.areas.bytesFreed.load(ordering: .relaxed)
    }
    let shared = shared(of: tag)
    shared.value.objectsBefore.store(objects, ordering: .relaxed)
    shared.value.objectBytesBefore.store(objectBytes, ordering: .relaxed)
    shared.value.areasBefore.store(areas, ordering: .relaxed)
    shared.value.areaBytesBefore.store(areaBytes, ordering: .relaxed)
    shared.value.peakBytes.store(0, ordering: .relaxed)
    shared.value.peakObjects.store(0, ordering: .relaxed)
    shared.value.peakAreas.store(0, ordering: .relaxed)
  }
}

extension TagUsage {
  /// Leaves out what was allocated and freed before.
  fileprivate mutating func forget(areas: UInt64, pages: UInt64, objects: UInt64, bytes: UInt64) {
    (areasAllocated, areasFreed) = (areasAllocated.less(areas), areasFreed.less(areas))
    (pagesAllocated, pagesFreed) = (pagesAllocated.less(pages), pagesFreed.less(pages))
    (objectsAllocated, objectsFreed) = (objectsAllocated.less(objects), objectsFreed.less(objects))
    (bytesAllocated, bytesFreed) = (bytesAllocated.less(bytes), bytesFreed.less(bytes))
  }

  /// Whether nothing is charged.
  var isNothing: Bool { liveAreas == 0 && liveObjects == 0 && liveBytes == 0 }
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

extension Tags {
  /// A CPU's charges: a record for what is charged to nobody, those of the tags by their index, and one more,
  /// so that every byte is an index.
  @inline(__always)
  static var place: PerCPUPlace<Charges> { PerCPUPlace(behind: CPUBlock.end, count: capacity &+ 2) }
}

extension Stable<PerCPU> {
  @inline(__always)
  var charges: Stable<Tags.Charges> { records(Tags.place)[1] }
}
