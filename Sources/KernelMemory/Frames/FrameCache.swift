internal import Synchronization

/// One CPU's list of blocks of one order, in one zone.
struct FrameCache: ~Copyable {
  var head: UInt32 = 0
  /// The blocks that it holds at the most.
  var limit: UInt32 = 0
  private let countWord = Atomic<Int>(0)

  /// Written by the CPU that has the list, read by any.
  var count: Int {
    get { countWord.load(ordering: .relaxed) }
    nonmutating set { countWord.store(newValue, ordering: .relaxed) }
  }

  @inline(__always)
  var hasRoom: Bool { count < Int(limit) }
  @inline(__always)
  var isOverfull: Bool { count > Int(limit) }

  /// 2 MiB with 4 KiB frames: the size of a large leaf.
  static let largestOrder = 9
  /// Fast lists serve orders up to this: buffers of kmalloc of up to 64 KiB with 4 KiB frames.
  static let largestFast = 4

  /// Order 0: 256 frames, four batches, so that a CPU that allocates and frees a few batches in turn does not
  /// go to the zone each time. Orders 1 to 6: 256 KiB with 4 KiB frames; above, one block, up to 2 MiB. All
  /// lists of a CPU and zone hold at most some 6 MiB.
  @inline(__always)
  static func limit(_ order: Int) -> Int { order == 0 ? 256 : max(64 &>> order, 1) }

  /// What an overfull list is drained to.
  @inline(__always)
  static func drained(_ order: Int) -> Int { order == 0 ? limit(0) &+ 1 &- batch : limit(order) }

  /// Frames that one refill or drain moves: 64 spread the cost of a visit to the zone (some 300 instructions)
  /// to a handful a frame.
  static let batch = 64
  /// The capacity of a list of zeroed frames: two tables for each of 16 areas that come and go.
  static let clearedHigh = 32

  mutating func push(_ frame: UInt32, _ table: FrameTable) {
    table[frame].value.setLinks(next: head)
    head = frame
    count &+= 1
  }

  /// - Precondition: the list is not empty.
  mutating func pop(_ table: FrameTable) -> UInt32 {
    let frame = head
    head = table[frame].value.next
    count &-= 1
    return frame
  }

  /// Takes neighbours that lie on the list in ascending or in descending order, as frames do that were freed
  /// one after the other.
  /// - Precondition: the list is not empty.
  mutating func popRun(atMost limit: Int, _ table: FrameTable) -> (first: UInt32, count: Int) {
    let first = head
    var last = first
    var next = table[first].value.next
    let step: UInt32 = next == first &- 1 ? 0 &- 1 : 1
    var length = 1
    while length < limit && next == last &+ step {
      last = next
      next = table[next].value.next
      length &+= 1
    }
    head = next
    count &-= length
    return (min(first, last), length)
  }
}
