/// Frames before there is an allocator: the first part of the largest usable run inside the window that
/// the boot code mapped, handed out upward and never taken back. What it has handed out is one run, which
/// `Frames` then leaves out; the page tables in it are adopted.
struct EarlyFrames {
  /// The run that frames come from.
  let run: FrameRange
  var window: LinearMap
  private(set) var used = PageCount.zero

  /// - Throws: `earlyMemoryExhausted` where no usable run reaches into the window.
  init(_ map: borrowing MemoryMap, window: LinearMap) throws(MemoryError) {
    let reach = window.limit.number(window.pageSize)
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
    let first = FrameNumber(run.first.rawValue &+ used.rawValue)
    used = PageCount(used.rawValue &+ count.rawValue)
    for offset in 0..<count.rawValue { window.zero(FrameNumber(first.rawValue &+ offset)) }
    return first
  }

  /// What was handed out.
  var taken: FrameRange { FrameRange(unchecked: run.first, count: used) }
}
