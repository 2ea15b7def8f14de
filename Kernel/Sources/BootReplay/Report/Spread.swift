internal import KernelMemory

/// How live areas are spread over the addresses from the first to the last of each range: what external
/// fragmentation is of a space that grows from one end.
struct Spread {
  /// Bytes from the first area to the end of the last one, summed over the ranges.
  private(set) var extent: UInt64 = 0
  /// Holes between areas, and the largest of them.
  private(set) var holes: UInt64 = 0
  private(set) var largestHole: UInt64 = 0
  private var range: ArenaID?
  private var end: UInt64 = 0

  /// Adds an area; those of a range come together and in the order of their addresses.
  mutating func add(_ area: Area, _ pageSize: PageSize) {
    let start = area.address.rawValue
    let behind = start &+ (area.pages.count.rawValue + area.guardPages.rawValue) * pageSize.bytes
    if area.areas == range {
      let hole = start &- end
      if hole > 0 {
        holes += 1
        largestHole = max(largestHole, hole)
      }
      extent &+= behind &- end
    } else {
      extent &+= behind &- start
    }
    range = area.areas
    end = behind
  }
}

extension Report {
  var spread: Spread {
    var spread = Spread()
    // An NMI is told nothing.
    try? replay.manager.forEachArea { area in
      if area.areas != options.machineAreas { spread.add(area, replay.manager.pageSize) }
    }
    return spread
  }

  func forEachSpreadValue(_ body: (StaticString, UInt64) -> Void) {
    let spread = spread
    body("addresses.extent", spread.extent)
    body("addresses.holes", spread.holes)
    body("addresses.largest_hole", spread.largestHole)
  }

  func writeSpread(to sink: inout some TextSink) {
    let spread = spread
    sink.figure("addresses, with guards", totals.liveSpan, atMost: totals.peakSpan)
    if totals.peakUnflushed > 0 {
      sink.figure("freed and not flushed", totals.peakUnflushed, "bytes of addresses, at the worst moment")
    }
    sink.figure("from the first to the last", spread.extent, "bytes of addresses, over all ranges")
    sink.figure("holes between areas", spread.holes)
    sink.figure("the largest hole, in bytes", spread.largestHole)
  }
}
