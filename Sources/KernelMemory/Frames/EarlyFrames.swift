/// Frames before there is an allocator: bump allocation from the top of the largest usable run in the boot
/// window, downward, since low memory is the scarcest. Nothing is freed; what was handed out is one run,
/// which `Frames` adopts as in use.
struct EarlyFrames {
  /// The run that frames come from.
  let run: FrameRange
  var window: LinearMap
  private(set) var used = PageCount.zero

  /// - Throws: `earlyMemoryExhausted` where no usable frame lies in the window and below `limit`.
  init(_ map: borrowing MemoryMap, window: LinearMap, limit: FrameNumber) throws(MemoryError) {
    let reach = min(limit, window.limit.number(window.pageSize))
    var largest = FrameRange(from: FrameNumber(0), upTo: FrameNumber(0))
    // Frame zero is no frame: links and the index use zero for none.
    var next = FrameNumber(1)
    while let run = map.nextRun(.allocatable, from: next, window.pageSize) {
      let inside = FrameRange(from: run.first, upTo: min(run.end, reach))
      if inside.count > largest.count { largest = inside }
      next = run.end
    }
    guard !largest.isEmpty else { throw .earlyMemoryExhausted(PageCount(1)) }
    run = largest
    self.window = window
  }

  /// A run of `count` cleared frames.
  mutating func allocate(_ count: PageCount) throws(MemoryError) -> FrameNumber {
    guard count.rawValue <= run.count.rawValue &- used.rawValue else {
      throw .earlyMemoryExhausted(count)
    }
    used = PageCount(used.rawValue &+ count.rawValue)
    let table = FrameTable(emptyFor: window)
    for offset in 0..<count.rawValue { table.zero(FrameNumber(taken.first.rawValue &+ offset)) }
    return taken.first
  }

  /// What was handed out.
  var taken: FrameRange {
    FrameRange(unchecked: FrameNumber(run.end.rawValue &- used.rawValue), count: used)
  }
}
