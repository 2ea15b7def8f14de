import CMachine
import MachineSimulator

@testable import KernelMemory

/// What depends on how much the hardware promises.
extension Scenarios {
  /// Where the areas of a stage do not come: below the same entry of the root, in a table of their own.
  private static var far: VirtualAddress {
    VirtualAddress(TestMachine.vmallocStart.address(.size4K).rawValue + Pages.twoMiB * 4096 * 5)
  }

  private static func options(at address: VirtualAddress) -> VmallocOptions {
    var options = VmallocOptions()
    options.address = address
    return options
  }

  /// Mappings of every kind where a CPU that remembers absent entries has found nothing.
  static func mappedWhereAbsent(_ mode: FreeMode) throws -> Play {
    let window = TestMachine.vmallocStart.rawValue + (1 << 20)
    var borrowed: [FrameNumber] = []
    let hardware = Stage.hardware.architecture == .x86_64 ? Hardware.leastPromised : Stage.hardware
    let stage = try Stage(mode, hardware: hardware) { stage in
      try stage.manager.allocateFrames(count: 2) { borrowed.append($0) }
    }
    let manager = stage.manager
    func expectAbsent(_ address: VirtualAddress) throws {
      let fault = stage.test.fault(.read, at: address)
      try stage.expect(fault?.cause == .notPresent, "something is mapped at \(address)")
    }
    var play = Play(
      stage: stage,
      cpus: [
        {
          try expectAbsent(far)
          let block = try stage.allocate(1, options(at: far))
          try stage.check(block)
          try stage.free(block)
          let page = PageNumber(window)
          try expectAbsent(page.address(.size4K))
          try manager.map(PageRange(window, 1), to: borrowed[0], MappingAttributes(.readWrite))
          if let fault = stage.test.fault(.read, at: page) { throw fault }
          try manager.unmap(PageRange(window, 1))
          for _ in 0..<2 {
            let pointer = try borrowed.withUnsafeBufferPointer { try manager.vmap($0) }
            if let fault = stage.test.fault(.read, at: VirtualAddress(pointer)) { throw fault }
            try manager.vunmap(pointer)
            try manager.flushRetired()
            try expectAbsent(VirtualAddress(pointer))
          }
        }
      ]
    ) { for frame in borrowed { try manager.freeFrames(frame) } }
    // Those of vmap are none of the stage's.
    play.checksWork = false
    return play
  }

  /// 1 GiB of a device, on a machine without leaves of that size.
  static func gigabyteOfADevice(_ mode: FreeMode) throws -> Play {
    var hardware = Hardware()
    hardware.hasGigabytePages = false
    let stage = try Stage(mode, hardware: hardware)
    // Below the root's entry for areas, and behind those.
    let pages = PageRange(TestMachine.vmallocStart.rawValue + Pages.oneGiB, Pages.oneGiB)
    var play = Play(
      stage: stage,
      cpus: [
        {
          try stage.manager.map(pages, to: Pages.device, MappingAttributes(.readWrite))
          let fault = stage.test.fault(.read, at: pages.first)
          // There is no RAM, and no device.
          try stage.expect(fault?.cause == .busError, "a mapped page got \(String(describing: fault))")
          try stage.manager.unmap(pages)
        }
      ])
    play.checksWork = false
    return play
  }

  /// A part of a large leaf is unmapped. Where live entries may not change that is refused.
  static func partOfLargeLeaf(_ mode: FreeMode) throws -> Play {
    let stage = try Stage(mode)
    let first = TestMachine.vmallocStart.rawValue + (1 << 20)
    let manager = stage.manager
    var play = Play(
      stage: stage,
      cpus: [
        {
          let pages = PageRange(first, Pages.twoMiB)
          try manager.map(pages, to: Pages.device, MappingAttributes(.readWrite))
          do { try manager.unmap(PageRange(first, 1)) } catch MemoryError.breakBeforeMake {}
          try manager.unmap(pages)
        }
      ])
    play.checksWork = false
    return play
  }

  /// A CPU reads the last page of an area that another frees.
  static func readerOfLastPage(_ mode: FreeMode) throws -> Play {
    let stage = try Stage(mode) { stage in
      stage[0] = try stage.allocate(3)
      // A neighbour keeps their table: that might be flushed with everything.
      _ = try stage.allocate()
    }
    guard let block = stage[0] else { throw Mistake("nothing was prepared") }
    return Play(
      stage: stage,
      cpus: [
        { try stage.free(block) },
        { for _ in 0..<2 { try stage.peek(block, page: 2) } },
      ])
  }

  /// A table goes back in another batch than the pages that it was for, when CPUs have it in their walk
  /// caches again; and an invalidation drops no other tables than those on the way to its address.
  static func tableWithoutItsPages(_ mode: FreeMode) throws -> Play {
    var hardware = Stage.hardware
    if hardware.architecture == .x86_64 { hardware.tableDrop = .ofAddress }
    let stage = try Stage(mode, hardware: hardware) { stage in
      let block = try stage.allocate(1, options(at: far))
      stage[0] = try stage.allocate()
      stage[1] = block
    }
    guard let near = stage[0], let away = stage[1] else { throw Mistake("nothing was prepared") }
    return Play(
      stage: stage,
      cpus: [
        {
          try stage.free(away)
          for _ in 0..<3 { stage.manager.purge() }
          try stage.free(near)
          try stage.manager.flushRetired()
        },
        { for _ in 0..<2 { try stage.peek(away) } },
      ])
  }

  /// A large leaf is wanted where all addresses are free, and a table is on its way back, since a CPU is
  /// deaf.
  static func largeLeafOverTable(_ mode: FreeMode) throws -> Play {
    let stage = try Stage(mode, pages: 4096) { stage in
      // Its addresses are free, and its table is empty, but still there.
      try stage.free(try stage.allocate(70, options(at: far)))
      let (quarantine, vmalloc) = (stage.manager.quarantine, stage.manager.vmalloc)
      stage.manager.cpus.with { cpu in
        while cpu.perCPU.vmalloc.value.queued.count > 0 {
          _ = vmalloc.purgeAndSeal(budget: 1, all: false, cpu)
        }
        quarantine.seal(cpu)
        _ = quarantine.complete(limit: .max, cpu)
      }
    }
    let manager = stage.manager
    var play = Play(
      stage: stage,
      cpus: [
        {
          manager.purge()
          var wanted = options(at: far)
          wanted.leaves = .largeWherePossible
          let large = try manager.vmalloc(Int(Pages.twoMiB) * 4096, wanted)
          if let problem = manager.validate() { throw Mistake("\(problem)") }
          for page in [0, Pages.twoMiB - 1] {
            if let fault = stage.test.fault(.read, at: PageNumber(far.number(.size4K).rawValue + page)) {
              throw fault
            }
          }
          try manager.vfree(large)
        },
        {
          let state = cmachine_interrupts_disable()
          Step.access.take()
          cmachine_interrupts_restore(state)
        },
      ], validatesEach: 1)
    play.checksWork = false
    return play
  }

  /// A CPU looks for a frame without a lock, and an NMI has it serve what others ask, while another CPU frees
  /// the area, with its table, and has the table's frame for another one.
  static func walkerOfFreedTable(_ mode: FreeMode) throws -> Play {
    let stage = try Stage(mode) { stage in
      stage[0] = try stage.allocate(1, options(at: far))
      stage[1] = try stage.allocate()
    }
    guard let block = stage[0] else { throw Mistake("nothing was prepared") }
    let manager = stage.manager
    let frame = manager.frame(at: block.address)
    let elsewhere = VirtualAddress(far.rawValue + Pages.twoMiB * 4096 * 3)
    var play = Play(
      stage: stage,
      cpus: [
        {
          try stage.free(block)
          // Has the area's frame, so that the next one has another.
          _ = try stage.allocate()
          let other = try stage.allocate(1, options(at: elsewhere))
          try stage.check(other)
        },
        {
          let found = manager.frame(at: block.address)
          try stage.expect(found == nil || found == frame, "frame \(found as Any) was never there")
        },
      ])
    play.rules = {
      $0.nmis = 1
      $0.nmiPoints = StepSet(.entryFound)
    }
    // It stays long enough for several flushes.
    play.onNMI = {
      for _ in 0..<4 {
        manager.serveFlushes()
        Step.relaxed.take()
      }
    }
    return play
  }
}
