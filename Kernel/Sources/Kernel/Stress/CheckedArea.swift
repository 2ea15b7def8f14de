import KernelMemory

/// An area that carries a pattern in every page, as one word that can be handed from CPU to CPU:
///
///     63 is one   62-40 stamp   39-34 pages - 1   33-0 place
///
/// The place is its first page, counted from the vmalloc range's.
///
/// The pattern depends on the word and on the page, so that a page which belongs to another area, or which
/// was this area's at another time, shows.
struct CheckedArea {
  /// Never zero.
  let word: UInt

  static var pagesLimit: Int { 64 }
  private static var stampMask: UInt { 1 << 23 - 1 }
  private static var placeMask: UInt { 1 << 34 - 1 }

  init(word: UInt) { self.word = word }

  /// Allocates, and writes the pattern.
  init(
    pages: Int, stamp: UInt, on manager: MemoryManager, _ options: VmallocOptions = VmallocOptions()
  ) throws(MemoryError) {
    precondition(pages > 0 && pages <= Self.pagesLimit, "an area of 1 to 64 pages")
    let start = unsafe try manager.vmalloc(pages * Int(Platform.pageSize.bytes), options)
    let page = unsafe VirtualAddress(start).number(Platform.pageSize).rawValue
    let place = UInt(page - AddressSpace.vmallocRange.first.rawValue)
    word = 1 << 63 | (stamp & Self.stampMask) << 40 | UInt(pages - 1) << 34 | place
    for page in 0..<pages { write(page) }
  }

  var pages: Int { Int(word >> 34 & 63) + 1 }

  var address: VirtualAddress {
    let page = AddressSpace.vmallocRange.first.rawValue + UInt64(word & Self.placeMask)
    return PageNumber(page).address(Platform.pageSize)
  }

  /// The pages whose pattern is not there.
  func wrongPages() -> Int {
    var wrong = 0
    for page in 0..<pages where !isRight(page) { wrong += 1 }
    return wrong
  }

  func free(on manager: MemoryManager) throws(MemoryError) {
    unsafe try manager.vfree(address.pointer)
  }

  // The first and the last word of each page.

  private func pattern(_ page: Int) -> UInt {
    // 2^64 over the golden ratio: spreads small differences over all bits (Knuth, vol. 3, 6.4).
    (word &+ UInt(page)) &* 0x9e37_79b9_7f4a_7c15
  }

  private func words(_ page: Int) -> UnsafeMutablePointer<UInt> {
    let start = address.rawValue + UInt64(page) * Platform.pageSize.bytes
    return unsafe UnsafeMutablePointer(bitPattern: UInt(start)).unsafelyUnwrapped
  }

  private static var lastWord: Int { Int(Platform.pageSize.bytes) / MemoryLayout<UInt>.size - 1 }

  private func write(_ page: Int) {
    unsafe words(page)[0] = pattern(page)
    unsafe words(page)[Self.lastWord] = ~pattern(page)
  }

  private func isRight(_ page: Int) -> Bool {
    unsafe words(page)[0] == pattern(page) && words(page)[Self.lastWord] == ~pattern(page)
  }
}
