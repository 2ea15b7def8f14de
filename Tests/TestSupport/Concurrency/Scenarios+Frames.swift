import MachineSimulator

@testable import KernelMemory

/// Frames on their way back, of which the package itself must let go.
extension Scenarios {
  /// A table goes back, and is kept for the next.
  static func tableComesBack(_ mode: FreeMode) throws -> Play {
    let stage = try Stage(mode, cpuCount: 1)
    var options = VmallocOptions()
    // Elsewhere nothing is mapped, so that the table is this area's alone.
    options.address = VirtualAddress(TestMachine.vmallocStart.address(.size4K).rawValue + 5 << 21)
    return Play(
      stage: stage,
      cpus: [
        {
          for _ in 0..<2 {
            try stage.free(try stage.allocate(1, options))
            try stage.manager.flushRetired()
          }
        }
      ],
      atEnd: {
        let counters = stage.counters
        try stage.expect(counters[.tablesReturned] > 0, "no table was returned")
      })
  }

  /// Slabs are emptied, and go back.
  static func slabsComeBack(_ hardening: SlabHardening) throws -> Play {
    let stage = try Stage(.strict, cpuCount: 1, hardening: hardening)
    let manager = stage.manager
    return Play(
      stage: stage,
      cpus: [
        {
          let objects = try (0..<300).map { _ in try manager.kmalloc(64) }
          for object in objects { try manager.kfree(object) }
          stage.test.drainSlabsOfThisCPU()
        }
      ],
      atEnd: {
        try stage.expect(stage.counters[.slabsReturned] > 3, "no slab was returned")
      })
  }

  /// Frames that were written to are handed out with another type, go back, and are written to again; what is
  /// read is always right, since no cache writes anything back by itself.
  static func typeChanges(_ mode: FreeMode) throws -> Play {
    let stage = try Stage(mode, cpuCount: 1, pages: 300, hasIncoherentCache: true)
    let manager = stage.manager
    var options = VmallocOptions()
    options.cache = .uncached
    return Play(
      stage: stage,
      cpus: [
        {
          let frame = try manager.allocateFrames()
          let linear = manager.linearAddress(of: frame)
          try stage.test.simulated.store(UInt64(7), at: linear)
          let window = try [frame].withUnsafeBufferPointer { try manager.vmap($0, cache: .writeCombining) }
          try stage.test.simulated.store(UInt64(8), at: VirtualAddress(window))
          try manager.vunmap(window)
          try manager.flushRetired()
          let area = try stage.allocate(2, options)
          try stage.check(area)
          try stage.free(area)
          try manager.freeFrames(frame)
        }
      ], checksWork: false)
  }
}
