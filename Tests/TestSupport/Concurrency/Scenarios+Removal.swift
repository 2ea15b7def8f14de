import MachineSimulator

@testable import KernelMemory

/// Ranges and tags go while other CPUs use them.
extension Scenarios {
  /// Below the same entry of the root as the areas, whose table stays, but behind them.
  private static let range = PageRange(
    unchecked: PageNumber(TestMachine.vmallocStart.rawValue + (1 << 20)), count: PageCount(16))

  /// A range is given back while another CPU makes an area in it: one of the two is refused, with what is
  /// true.
  static func removalBesideAllocation(_ mode: FreeMode) throws -> Play {
    var id = ArenaID(index: 0)
    let stage = try Stage(mode) { stage in id = try stage.manager.makeAreas(Self.range) }
    let manager = stage.manager
    var options = VmallocOptions()
    options.areas = id
    var (isRemoved, block): (Bool, Block?) = (false, nil)
    return Play(
      stage: stage,
      cpus: [
        {
          do throws(MemoryError) {
            try manager.removeAreas(id)
            isRemoved = true
          } catch {
            guard case .areasInUse = error else { throw error }
          }
        },
        {
          do {
            block = try stage.allocate(2, options)
          } catch let error as MemoryError {
            guard error == .areasUnavailable else { throw error }
          }
        },
      ]
    ) {
      try stage.expect(isRemoved != (block != nil), "removed: \(isRemoved), and an area: \(block as Any)")
      if let block { try stage.free(block) }
      if !isRemoved { try manager.removeAreas(id) }
      try stage.expect(!manager.contains(Self.range.first.address(.size4K)), "the range is there")
      (isRemoved, block) = (false, nil)
    }
  }

  /// A range is given back, and all free frames are filled with what leads to an area that there is not,
  /// while another CPU looks an address of the range up.
  static func lookUpBesideRemoval(_ mode: FreeMode) throws -> Play {
    var id = ArenaID(index: 0)
    let stage = try Stage(mode, pages: 600) { stage in id = try stage.manager.makeAreas(Self.range) }
    let (manager, address) = (stage.manager, Self.range.first.address(.size4K))
    var taken: [FrameNumber] = []
    return Play(
      stage: stage,
      cpus: [
        {
          try manager.removeAreas(id)
          let (cpus, frames) = (manager.cpus, manager.frames)
          taken = try stage.takeFreeFrames { cpus.attempt(orElse: ()) { frames.drainCaches($0) } }
          stage.fill(taken, withAreaAt: address)
        },
        {
          if let area = manager.area(containing: address) {
            throw Mistake("an area was found that never was: \(area)")
          }
        },
      ],
      atEnd: {
        for frame in taken { try manager.freeFrames(frame) }
        taken = []
      })
  }

  /// A tag is removed while another CPU allocates for it: one of the two is refused, and nobody for a removal
  /// that is refused.
  static func removalOfTagBesideAllocation(_ mode: FreeMode) throws -> Play {
    var tag = KernelMemory.Tag.untagged
    let stage = try Stage(mode) { stage in
      tag = try stage.manager.makeTag(named: "driver")
      for _ in 0..<2 { try stage.free(try stage.allocate(1, areas(tag))) }
      try stage.manager.kfree(try stage.manager.kmalloc(64, objects(tag)))
    }
    let manager = stage.manager
    var (isRemoved, held): (Bool, [UnsafeMutableRawPointer]) = (false, [])
    return Play(
      stage: stage,
      cpus: [
        {
          do throws(MemoryError) {
            try manager.removeTag(tag)
            isRemoved = true
          } catch {
            guard case .tagInUse = error else { throw error }
          }
        },
        {
          for _ in 0..<2 {
            do throws(MemoryError) {
              held.append(try manager.kmalloc(64, objects(tag)))
            } catch {
              guard error == .tagUnavailable else { throw error }
            }
          }
        },
      ],
      atEnd: {
        // Which CPU began first is the schedule's.
        try stage.expect(
          isRemoved ? held.isEmpty : held.count == 2, "removed: \(isRemoved), and \(held.count) objects")
        for pointer in held { try manager.kfree(pointer, chargedTo: tag) }
        if !isRemoved { try manager.removeTag(tag) }
        try stage.expect(manager.usage(of: tag) == TagUsage(), "a tag that was removed has a usage")
        (isRemoved, held) = (false, [])
      }, checksWork: false)
  }
}
