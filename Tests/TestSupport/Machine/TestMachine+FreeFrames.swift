import MachineSimulator

@testable import KernelMemory

extension TestMachine {
  /// Whether the process may not touch what the manager has on its free lists. Frames of tables that are kept
  /// cleared may be read.
  var hidesFreeFrames: Bool {
    get { simulated.isFrameListed != nil }
    set {
      let frames = manager.frames
      simulated.isFrameListed = newValue ? { Self.isListed($0, frames) } : nil
      hideFreeFrames()
    }
  }

  /// Again, after a checkpoint. O(blocks).
  func hideFreeFrames() {
    guard hidesFreeFrames else { return }
    let frames = manager.frames
    for zone in 0..<ZoneKind.count {
      for order in 0...Zone.maxOrder {
        var block = frames.buddyLists(zone).value.heads[order]
        while block != 0 {
          hide(block, order)
          block = frames.table[block].value.next
        }
      }
      for cpu in 0..<frames.cpus.count {
        frames.forEach(of: frames.cleared(cpu, zone)) { hide($0, 0, stayZero: true) }
        for order in 0...Zone.maxOrder {
          frames.forEach(of: frames.list(cpu, zone, order)) { hide($0, order) }
        }
      }
    }
  }

  private func hide(_ block: UInt32, _ order: Int, stayZero: Bool = false) {
    simulated.hide(
      FrameNumber(UInt64(block)), count: PageCount(1 << UInt64(order)), stayZero: stayZero)
  }

  /// Whether a frame is in a zone's lists or in those of a CPU. Others that are idle are on their way to
  /// whoever is about to have them.
  private static func isListed(_ frame: FrameNumber, _ frames: Frames) -> Bool {
    guard frames.table.metadata(of: frame) != nil else { return false }
    let head = frames.head(around: UInt32(frame.rawValue))
    let state = frames.table[head].value.state
    guard frame.rawValue < UInt64(head) + 1 << UInt64(state.order) else { return false }
    if state.kind == .free { return true }
    guard state.kind == .idle else { return false }
    var isListed = false
    func look(_ list: Stable<FrameCache>) { frames.forEach(of: list) { if $0 == head { isListed = true } } }
    for cpu in 0..<frames.cpus.count {
      if state.order == 0 { look(frames.cleared(cpu, state.zone)) }
      look(frames.list(cpu, state.zone, state.order))
    }
    return isListed
  }
}

extension Frames {
  fileprivate func forEach(of list: Stable<FrameCache>, _ body: (UInt32) -> Void) {
    var frame = list.value.head
    for _ in 0..<list.value.count {
      body(frame)
      frame = table[frame].value.next
    }
  }
}
