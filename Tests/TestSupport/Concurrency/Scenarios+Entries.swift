import MachineSimulator

@testable import KernelMemory

/// What another CPU's MMU can see of entries while they are made.
extension Scenarios {
  /// An area where no table is yet, whose frame held something else before.
  static func newTable(_ mode: FreeMode) throws -> Play {
    let stage = try Stage(mode)
    var options = VmallocOptions()
    options.address = VirtualAddress(
      TestMachine.vmallocStart.address(.size4K).rawValue + Pages.twoMiB * 4096 * 5)
    return Play(
      stage: stage,
      cpus: [
        {
          let block = try stage.allocate(3, options)
          try stage.check(block)
          try stage.free(block)
        }
      ])
  }

  /// A large leaf is split, since a page of it is unmapped, while another CPU reads its other pages.
  static func readerOfSplitLeaf(_ mode: FreeMode) throws -> Play {
    let window = TestMachine.vmallocStart.rawValue + (1 << 20)
    var frame: FrameNumber?
    let stage = try Stage(mode, pages: 2048) { stage in
      let first = try stage.manager.allocateFrames(order: 9)
      frame = first
      try stage.manager.map(PageRange(window, Pages.twoMiB), to: first, MappingAttributes(.readWrite))
    }
    guard let frame else { throw Mistake("nothing was prepared") }
    let manager = stage.manager
    return Play(
      stage: stage,
      cpus: [
        { try manager.unmap(PageRange(window + 7, 1)) },
        {
          for page in [UInt64(3), 400] {
            if let fault = stage.test.fault(.read, at: PageNumber(window + page)) { throw fault }
          }
        },
      ]
    ) {
      try manager.unmap(PageRange(window, Pages.twoMiB))
      try manager.freeFrames(frame, order: 9)
    }
  }
}
