import BareMetal
import KernelMemory

/// Memory that is mapped by hand, with leaves of one size. The first word of each page holds the page's
/// number.
@safe
struct MappedMemory {
  private let manager: MemoryManager
  private let pages: UInt64
  private let order: Int
  /// The first frame of each leaf.
  private let frames: UnsafeMutablePointer<UInt64>

  private static var first: PageNumber { AddressSpace.jobRange.first }
  private var leaves: UInt64 { pages >> UInt64(order) }

  /// - Parameters:
  ///   - pages: a multiple of a leaf's.
  ///   - order: log2 of the pages of a leaf.
  ///   - manager: where frames come from.
  init(pages: UInt64, order: Int, on manager: MemoryManager) throws(MemoryError) {
    self.manager = manager
    self.pages = pages
    self.order = order
    let memory = unsafe try manager.vmalloc(
      count: Int(pages >> UInt64(order)), stride: MemoryLayout<UInt64>.stride)
    unsafe frames = memory.bindMemory(to: UInt64.self, capacity: Int(pages >> UInt64(order)))
    for leaf in 0..<leaves {
      let frame = try manager.allocateFrames(order: order)
      unsafe frames[Int(leaf)] = frame.rawValue
      try manager.map(
        range(from: leaf << UInt64(order), count: 1 << UInt64(order)), to: frame,
        MappingAttributes(.readWrite))
    }
    for page in 0..<pages { unsafe word(page).pointee = page }
  }

  private func range(from page: UInt64, count: UInt64) -> PageRange {
    let first = Self.first.rawValue + page
    return PageRange(from: PageNumber(first), upTo: PageNumber(first + count))
  }

  private func word(_ page: UInt64) -> UnsafeMutablePointer<UInt64> {
    let address = PageNumber(Self.first.rawValue + page).address(.size4K).rawValue
    return unsafe UnsafeMutablePointer(bitPattern: UInt(address)).unsafelyUnwrapped
  }

  /// Reads pages at random, and has the model translate for each read.
  /// - Returns: how many found another number, or no leaf of the size that was asked for.
  func read(_ count: Int, _ random: inout RandomNumbers, _ model: TranslationModel) -> UInt64 {
    var wrong: UInt64 = 0
    for _ in 0..<count {
      let page = UInt64(random.next(below: Int(pages)))
      let address = PageNumber(Self.first.rawValue + page).address(.size4K)
      guard let leaf = manager.mapping(at: address), leaf.pages.count.rawValue == 1 << UInt64(order),
        unsafe word(page).pointee == page
      else {
        wrong += 1
        continue
      }
      model.translate(address, leaf: leaf.pages.count)
    }
    return wrong
  }

  /// Unmaps it all, and frees it.
  func end() throws(MemoryError) {
    try manager.unmap(range(from: 0, count: pages))
    for leaf in 0..<leaves {
      try manager.freeFrames(unsafe FrameNumber(frames[Int(leaf)]), order: order)
    }
    unsafe try manager.vfree(frames)
  }
}
