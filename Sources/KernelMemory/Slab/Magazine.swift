internal import Synchronization

/// One CPU's free objects of one cache: a chain through their own memory. It repeats what a pair needs of the
/// cache (stride, link, capacity), so that a pair reads one record. Zeroed memory is the magazine of no
/// cache: always empty, always full.
struct Magazine: ~Copyable {
  /// The address of the first object; zero for none, and always where links are hidden.
  var head: UInt
  private let countWord: Atomic<Int>
  /// Capacity. Zero in hardened mode, which sends every free to the slow path.
  let limit: Int
  let grid: SlabGrid
  /// Where in a free object the next one's address is.
  let linkOffset: UInt
  /// The address of the first object where links are hidden.
  private var hiddenHead: UInt

  /// Of a cache: an empty one.
  init(_ cache: borrowing CacheBlock) {
    head = 0
    countWord = Atomic(0)
    limit = cache.hidesLinks ? 0 : cache.limit
    grid = cache.layout.grid
    linkOffset = cache.linkOffset
    hiddenHead = 0
  }

  /// Written by the CPU that has the magazine, read by any.
  @inline(__always)
  var count: Int {
    get { countWord.load(ordering: .relaxed) }
    nonmutating set { countWord.store(newValue, ordering: .relaxed) }
  }

  /// The address of the first object, hidden links or not; zero for none.
  var first: UInt {
    get { limit == 0 ? hiddenHead : head }
    set { if limit == 0 { hiddenHead = newValue } else { head = newValue } }
  }

  /// The capacity of a magazine: 16 KiB, so that a CPU's magazines hold little memory back; at least four
  /// objects, so that half of them is a batch; at most 128, which bounds the time that a drain has the lock.
  static func limit(_ stride: UInt) -> Int { Int(min(max(16_384 / stride, 4), 128)) }
}
