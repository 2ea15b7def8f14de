internal import BootReplay

extension Recording {
  /// Pairs frees with allocations, and mends what can be mended in one way only.
  mutating func pair() {
    let capacity = events.count
    let memory = UnsafeMutableRawBufferPointer.allocate(
      byteCount: AreaTree.byteCount(capacity: capacity) + 16, alignment: 16)
    defer { unsafe memory.deallocate() }
    var rest = unsafe memory
    guard var tree = unsafe AreaTree(capacity: capacity, in: &rest) else { return }
    var pairing = Pairing(counts: counts)
    pairing.events.reserveCapacity(events.count)
    for event in events {
      switch event.kind {
      case .allocation: pairing.allocate(event, in: &tree)
      case .free: pairing.free(event, in: &tree)
      }
    }
    events = pairing.events
    counts = pairing.counts
    counts.replayed = UInt64(events.count)
    figures = pairing.figures(freesOfOthers: counts.freesOfOthers)
  }
}

/// The events so far that belong together, and what they come to.
private struct Pairing {
  var counts: Recording.Counts
  var events: [Recording.Event] = []
  private var liveAreas: UInt64 = 0
  private var liveBytes: UInt64 = 0
  private var peakAreas: UInt64 = 0
  private var peakBytes: UInt64 = 0

  init(counts: Recording.Counts) { self.counts = counts }

  mutating func allocate(_ event: Recording.Event, in tree: inout AreaTree) {
    while let earlier = tree.area(overlapping: event.address, byteCount: event.byteCount) {
      counts.freesUnseen += 1
      remove(earlier, in: &tree)
      events.append(
        Recording.Event(kind: .free, address: earlier.address, line: event.line, time: event.time))
    }
    _ = tree.insert(OrderedArea(address: event.address, byteCount: event.byteCount, line: event.line))
    liveAreas += 1
    liveBytes &+= event.byteCount
    peakAreas = max(peakAreas, liveAreas)
    peakBytes = max(peakBytes, liveBytes)
    events.append(event)
  }

  mutating func free(_ event: Recording.Event, in tree: inout AreaTree) {
    guard let area = tree.area(overlapping: event.address, byteCount: 1) else {
      counts.freesOfOthers += 1
      return
    }
    guard area.address == event.address else {
      counts.freesInside += 1
      return
    }
    remove(area, in: &tree)
    events.append(event)
  }

  private mutating func remove(_ area: OrderedArea, in tree: inout AreaTree) {
    _ = tree.remove(area.address)
    liveAreas -= 1
    liveBytes &-= area.byteCount
  }

  func figures(freesOfOthers: UInt64) -> TraceFigures {
    TraceFigures(
      liveAreas: liveAreas, liveBytes: liveBytes, peakBytes: peakBytes, peakAreas: peakAreas,
      freesOfOthers: freesOfOthers)
  }
}
