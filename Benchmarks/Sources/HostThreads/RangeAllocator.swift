/// Decides which pages of a range are taken, and nothing else.
protocol RangeAllocator {
  init(pages: Int)
  /// The first page of `count` free ones, which are taken from now on.
  mutating func allocate(_ count: Int) -> Int?
  /// False where the pages were not taken.
  mutating func free(_ start: Int, _ count: Int) -> Bool
}

/// A range allocator under one lock, with a guard page behind each area. It makes no frames, no entries and
/// no flush: what is compared with it does all that besides.
final class RangesAlone<Ranges: RangeAllocator, Lock: GlobalLock>: Contestant {
  private var ranges: Ranges
  private let lock = Lock()

  init(cpus: Int, liveAreas: Int) throws {
    ranges = Ranges(pages: max(1 << 16, 8 * liveAreas))
    let starts = (0..<2 * liveAreas).compactMap { _ in ranges.allocate(2) }
    for start in starts.enumerated() where start.offset % 2 == 1 {
      if !ranges.free(start.element, 2) { throw Mistake("an area is not taken") }
    }
  }

  func play(_ cpu: Int, _ body: () throws -> Void) rethrows { try body() }

  func poll(_ cpu: Int) {}

  @inline(__always)
  func pair(_ pages: Int, on cpu: Int) throws {
    lock.acquire {}
    let start = ranges.allocate(pages &+ 1)
    lock.release()
    guard let start else { throw Mistake("no room for \(pages) pages") }
    lock.acquire {}
    let isFreed = ranges.free(start, pages &+ 1)
    lock.release()
    if !isFreed { throw Mistake("the pages at \(start) are not taken") }
  }
}
