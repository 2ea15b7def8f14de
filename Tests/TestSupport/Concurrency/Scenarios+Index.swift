import MachineSimulator

@testable import KernelMemory

/// Look-ups without a lock in an index whose nodes come and go.
extension Scenarios {
  /// The last area below a node of the index goes, and with it the node: its frame, and every other free one,
  /// is filled with numbers of an area that there is not, while another CPU looks the address up.
  static func lookUpInFreedNode(_ mode: FreeMode) throws -> Play {
    try lookUpInFreedNode(mode, purgesBefore: 2, purges: 2)
  }

  /// The same where flushes are broadcast, which need no other CPU: so nothing is done before.
  static func lookUpInFreedNodeWithBroadcasts(_ mode: FreeMode) throws -> Play {
    try Stage.$hardware.withValue(.broadcasting) {
      try lookUpInFreedNode(mode, purgesBefore: 0, purges: 8)
    }
  }

  private static func lookUpInFreedNode(
    _ mode: FreeMode, purgesBefore: Int, purges: Int
  ) throws -> Play {
    // A node of the lowest level has 1,024 pages.
    let places = (1...9).map { VirtualAddress((TestMachine.vmallocStart.rawValue + 1024 * $0) << 12) }
    let stage = try Stage(mode, pages: 600) { stage in
      var options = VmallocOptions()
      // As many nodes as an index keeps for later, and one more.
      var blocks: [Block] = []
      for place in places {
        options.address = place
        blocks.append(try stage.allocate(1, options))
      }
      let last = blocks.removeLast()
      for block in blocks { try stage.free(block) }
      try stage.manager.flushRetired()
      try stage.free(last)
      // Flushed by both, its addresses and tables are kept; so there is no more to do than to give them back.
      for _ in 0..<purgesBefore {
        stage.manager.purge()
        stage.test.simulated.onCPU(1) { stage.manager.serveFlushes() }
      }
    }
    let address = places[places.count - 1]
    var taken: [FrameNumber] = []
    return Play(
      stage: stage,
      cpus: [
        {
          for _ in 0..<purges { stage.manager.purge() }
          let (cpus, frames) = (stage.manager.cpus, stage.manager.frames)
          taken = try stage.takeFreeFrames { cpus.attempt(orElse: ()) { frames.drainCaches($0) } }
          stage.fill(taken, withAreaAt: address)
        },
        {
          if let area = stage.manager.area(containing: address) {
            throw Mistake("an area was found that never was: \(area)")
          }
        },
      ],
      atEnd: {
        for frame in taken { try stage.manager.freeFrames(frame) }
        taken = []
      })
  }
}

extension Stage {
  /// Makes the first of some frames a descriptor of a live area, and the others the slots of a node that lead
  /// to it.
  func fill(_ frames: [FrameNumber], withAreaAt address: VirtualAddress) {
    guard let first = frames.first else { return }
    let descriptor = Stable<AreaDescriptor>(bitPattern: UInt(manager.linearAddress(of: first).rawValue))
    descriptor.value.first = address.number(.size4K).rawValue
    descriptor.value.span = 2
    descriptor.value.renew(as: .live)
    let number = UInt32(first.rawValue) << 6
    for frame in frames.dropFirst() {
      manager.linearAddress(of: frame).pointer?.initializeMemory(
        as: UInt32.self, repeating: number, count: 1_024)
    }
  }
}
