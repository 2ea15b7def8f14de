internal import Synchronization

// The shortest way to a frame or a block, and back
//
// What nearly everybody asks for: a single frame, or a block of an order up to `BlockCaches.largestUsual`,
// wherever it lies. It comes from this CPU's list of the highest zone that there is, and what goes back to
// that list is checked on the way: its metadata says what it is, and one compare-and-swap ends its life.
// Whatever is not as usual (an empty list, a full one, a frame of another zone, a mistake) is left as it is,
// for the longer way.

extension Frames {
  /// Tells every CPU which zone its usual lists are of: the highest that has memory.
  func chooseUsualZone() {
    var zone = ZoneKind.count &- 1
    while zone > 0 && buddyLists(zone).value.managed == 0 { zone &-= 1 }
    for cpu in 0..<cpus.count {
      for order in 0...BlockCaches.largestUsual {
        cpus.rooms(cpu).value.usual[order] =
          order == 0 ? cache(cpu, zone) : blocks(cpu, zone, order)
      }
      cpus.rooms(cpu).value.usualIdle = FrameState(.idle, zone: zone)
    }
  }

  /// This CPU's usual list of an order, up to `largestUsual`.
  @inline(__always)
  func usualList(_ order: Int, _ cpu: borrowing CPU) -> Stable<FrameCache> {
    cpu.rooms.value.usual[order]
  }

  /// A block from a usual list, which has one. It becomes of `kind`, and its link word says `note`. O(1).
  @inline(__always)
  func takeAtOnce(
    _ list: Stable<FrameCache>, as kind: FrameKind, note: UInt32, _ cpu: borrowing CPU
  ) -> UInt32 {
    let block = list.value.head
    let metadata = cpu.rooms.value.table[block]
    list.value.head = metadata.value.next
    list.value.count &-= 1
    metadata.value.setLinks(next: note)
    metadata.value.setState(metadata.value.state.changing(from: .idle, to: kind))
    return block
  }

  /// Ends the life of a block, which was in `state`, and puts it on a usual list. O(1).
  /// - Returns: false, with nothing changed, where that is no longer its state: somebody else has freed it.
  @inline(__always)
  func giveAtOnce(
    _ block: FrameNumber, _ metadata: Stable<FrameMetadata>, from state: FrameState, to idle: FrameState,
    _ list: Stable<FrameCache>
  ) -> Bool {
    guard metadata.value.move(from: state, to: idle) else { return false }
    metadata.value.setLinks(next: list.value.head)
    list.value.head = UInt32(truncatingIfNeeded: block.rawValue)
    list.value.count &+= 1
    return true
  }
}

// MARK: - Single frames

extension Frames {
  /// A single frame in the usual case; zero where it is another.
  @inline(__always)
  func takeAtOnce(_ cpu: borrowing CPU) -> UInt32 {
    let list = usualList(0, cpu)
    return list.value.count == 0 ? 0 : takeAtOnce(list, as: .allocated, note: 0, cpu)
  }

  /// Frees a single frame in the usual case.
  /// - Returns: false, with nothing changed, where it is another.
  @inline(__always)
  func giveAtOnce(_ frame: FrameNumber, _ cpu: borrowing CPU) -> Bool {
    guard let metadata = cpu.rooms.value.table.metadata(of: frame) else { return false }
    let idle = cpu.rooms.value.usualIdle
    let list = usualList(0, cpu)
    guard metadata.value.state == idle.changing(from: .idle, to: .allocated), list.value.hasRoom else {
      return false
    }
    return giveAtOnce(frame, metadata, from: idle.changing(from: .idle, to: .allocated), to: idle, list)
  }
}
