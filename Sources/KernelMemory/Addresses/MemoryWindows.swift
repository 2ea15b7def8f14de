/// Where all memory is mapped: the linear map, and what `Bootstrap.mapMemory(in:)` has added. The manager
/// reaches page tables, records and objects there, so these pages are not unmapped by number, and no area
/// lies among them.
struct MemoryWindows {
  /// A linear map, a window for Swift's objects, an identity map, and some to spare.
  static let capacity = 8

  /// Where each maps frame zero.
  private var firsts = InlineArray<8, PageNumber>(repeating: PageNumber(0))
  private(set) var count = 0
  /// Behind the last frame that they map.
  let end: FrameNumber

  init(upTo end: FrameNumber) { self.end = end }

  /// - Throws: `linearMapUnusable` for one window too many.
  mutating func add(_ window: LinearMap) throws(MemoryError) {
    guard count < Self.capacity else { throw .linearMapUnusable(window.base) }
    firsts[count] = window.base.number(window.pageSize)
    count &+= 1
  }

  /// The pages of a window, holes of memory included.
  subscript(number: Int) -> PageRange {
    PageRange(unchecked: firsts[number], count: PageCount(end.rawValue))
  }

  /// The pages where a window maps `frames`, which may reach beyond it.
  func pages(of frames: FrameRange, in number: Int) -> PageRange {
    let first = min(frames.first, end)
    return PageRange(
      unchecked: PageNumber(firsts[number].rawValue &+ first.rawValue),
      count: FrameRange(from: first, upTo: min(frames.end, end)).count)
  }

  /// The first page of `pages` in a window; with `frame`, in one that maps it to another frame than a run
  /// from `frame` on would.
  func firstPage(in pages: PageRange, notFor frame: FrameNumber? = nil) -> PageNumber? {
    for number in 0..<count where self[number].overlaps(pages) {
      if let frame, pages.first.rawValue &- frame.rawValue == firsts[number].rawValue { continue }
      return max(self[number].first, pages.first)
    }
    return nil
  }
}
