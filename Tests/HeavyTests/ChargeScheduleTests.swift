import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// What is charged to a tag, under every schedule of two or three CPUs at the moments that matter to it.
@Suite struct ChargeScheduleTests {
  private static let quota: UInt64 = 1 << 20

  /// A stage with a tag, and what `prepare` adds.
  private func stage(
    _ mode: FreeMode, cpuCount: Int = 2, prepare: (Stage, KernelMemory.Tag) throws -> Void = { _, _ in }
  ) throws -> (Stage, KernelMemory.Tag) {
    var tag = KernelMemory.Tag.untagged
    let stage = try Stage(mode, cpuCount: cpuCount) { stage in
      tag = try stage.manager.makeTag(named: "driver")
      try prepare(stage, tag)
    }
    return (stage, tag)
  }

  /// A quota is set, and used up, while another CPU is on its shortest way to an area: that area is charged,
  /// and never are more bytes live than the quota has.
  @Test(arguments: [FreeMode.lazy, .warm]) func aQuotaThatIsSetMeanwhileCountsEveryArea(mode: FreeMode) throws
  {
    let (stage, tag) = try stage(mode) { stage, tag in
      // No peak is to be looked for, and there is an area whose flush is done, behind one that is taken
      // again.
      try stage.manager.vfree(try stage.manager.vmalloc(4096, areas(tag)))
      let blocks = try (0..<3).map { _ in try stage.allocate() }
      for block in blocks { try stage.free(block) }
      stage.manager.purge()
      try stage.free(try stage.allocate())
    }
    let manager = stage.manager
    var live: UInt64 = 0
    let allocate = { (pages: Int) throws in
      do throws(MemoryError) {
        let pointer = try manager.vmalloc(pages * 4096, areas(tag))
        live += UInt64(pages) * 4096
        return Optional(pointer)
      } catch {
        guard case .overQuota = error else { throw error }
        return nil
      }
    }
    var held: [UnsafeMutableRawPointer] = []
    let report = try Play(
      stage: stage,
      cpus: [
        { if let pointer = try allocate(1) { held.append(pointer) } },
        {
          try manager.setQuota(Self.quota, for: tag)
          if let pointer = try allocate(256) { held.append(pointer) }
        },
      ],
      atEnd: {
        let usage = manager.usage(of: tag)
        try stage.expect(
          usage.liveBytes == live && usage.liveAreas == UInt64(held.count),
          "\(live) bytes are live, \(usage.liveBytes) are charged")
        try stage.expect(live <= Self.quota, "\(live) bytes are live under a quota of \(Self.quota)")
        for pointer in held { try manager.vfree(pointer) }
        (live, held) = (0, [])
        let after = manager.usage(of: tag)
        try stage.expect(after.bytesAllocated == after.bytesFreed, "a charge is left, or one is missing")
      }, checksWork: false
    ).exhaustive(at: StepSet(.charged, .interruptsEnabled, .lockReleased), preemptions: 2)
    #expect(report.isComplete)
    #expect(report.schedules >= 10)
  }

  /// The usage of a zone is read while its frames move from a CPU's list to the zone's, and are seen on both.
  @Test func aZonesUsageIsNeverBelowZero() throws {
    let points = StepSet(.sumBegun, .lockReleased)
    let report = try Scheduler(points: points).exhaustive(preemptions: nil, atMost: 1_000) {
      // Nothing but these frames is in the zone, and none of them is in use.
      let test = try TestMachine(
        ram: [
          RAMRegion(PhysicalAddress(0), byteCount: 256 << 10),
          RAMRegion(PhysicalAddress(5 << 30), byteCount: 8 << 20),
        ], cpuCount: 2)
      let manager = test.manager
      try test.simulated.onCPU(1) {
        try manager.freeFrames(try manager.allocateFrames(zone: .dma))
      }
      let managed = manager.usage(of: .dma).managed
      return Program(
        machine: test.simulated,
        cpus: [
          {
            let usage = manager.usage(of: .dma)
            if usage.used != .zero { throw Mistake("\(usage.used) of \(managed) frames are in use") }
            if manager.usedFrames > manager.frames.managed {
              throw Mistake("more than all frames are in use")
            }
          },
          {
            let frames = manager.frames
            manager.cpus.attempt(orElse: ()) { frames.drainCaches($0) }
          },
        ])
    }
    #expect(report.isComplete)
    #expect(report.schedules >= 10)
  }

  /// A size that no machine has is refused before it is charged: nobody else is refused because of it, and no
  /// peak tells of it.
  @Test(arguments: FreeMode.all) func anAbsurdSizeIsNeverCharged(mode: FreeMode) throws {
    let (stage, tag) = try stage(mode) { stage, tag in try stage.manager.setQuota(Self.quota, for: tag) }
    let manager = stage.manager
    let refusal = { (size: Int, body: (Int) throws(MemoryError) -> UnsafeMutableRawPointer) in
      do throws(MemoryError) { _ = try body(size) } catch { return error }
      return MemoryError.sizeIsZero
    }
    try Play(
      stage: stage,
      cpus: [
        {
          let area = refusal(1 << 62) { (size) throws(MemoryError) in try manager.vmalloc(size, areas(tag)) }
          guard case .sizeTooLarge = area else { throw Mistake("an absurd area was refused with \(area)") }
          let object = refusal(1 << 62) { (size) throws(MemoryError) in
            try manager.kmalloc(size, objects(tag))
          }
          guard case .blockTooLarge = object else { throw Mistake("an absurd object: \(object)") }
          var policy = KvmallocPolicy()
          policy.tag = tag
          let either = refusal(1 << 62) { (size) throws(MemoryError) in try manager.kvmalloc(size, policy) }
          guard case .sizeTooLarge = either else { throw Mistake("absurd memory of kvmalloc: \(either)") }
        },
        {
          let pointer = try manager.vmalloc(4096, areas(tag))
          try manager.vfree(pointer)
          let object = try manager.kmalloc(64, objects(tag))
          try manager.kfree(object)
          _ = manager.usage(of: tag)
        },
      ],
      atEnd: {
        let peak = manager.usage(of: tag).peakBytes
        try stage.expect(peak <= Self.quota, "the peak is said to be \(peak)")
      }, checksWork: false
    ).exhaustive(at: StepSet(.lockWanted), preemptions: 2)
  }

  /// Sums that are read while others allocate and free are never absurd.
  @Test func sumsOfMovingCountsDoNotWrap() throws {
    let (stage, tag) = try stage(.lazy, cpuCount: 3)
    let manager = stage.manager
    var object: UnsafeMutableRawPointer?
    var area: UnsafeMutableRawPointer?
    let report = try Play(
      stage: stage,
      cpus: [
        {
          let usage = manager.usage(of: tag)
          for value in [
            usage.liveBytes, usage.liveObjects, usage.liveAreas, usage.livePages, usage.peakBytes,
          ] {
            try stage.expect(value <= 1 << 20, "a usage of \(value)")
          }
          let growth = manager.tagSnapshot
          try stage.expect(growth.tags[Int(tag.index)].bytes <= 1 << 20, "a snapshot's bytes")
        },
        {
          object = try manager.kmalloc(64, objects(tag))
          area = try manager.vmalloc(4096, areas(tag))
          Step.access.take()
        },
        {
          Step.access.take()
          try manager.kfree(object)
          try manager.vfree(area)
          (object, area) = (nil, nil)
        },
      ],
      atEnd: {
        try manager.kfree(object)
        try manager.vfree(area)
        (object, area) = (nil, nil)
      }, checksWork: false
    ).exhaustive(at: StepSet(.sumBegun, .access), preemptions: 3)
    #expect(report.isComplete)
    #expect(report.schedules >= 10)
  }
}
