internal import Synchronization

/// One CPU's list of single frames of one zone.
struct FrameCache: ~Copyable {
  var head: UInt32 = 0
  /// What is given back one by one goes elsewhere when there are so many.
  var limit: UInt32 = 0
  private let countWord = Atomic<Int>(0)

  /// Written by the CPU that has the list, read by any.
  var count: Int {
    get { countWord.load(ordering: .relaxed) }
    nonmutating set { countWord.store(newValue, ordering: .relaxed) }
  }

  @inline(__always)
  var hasRoom: Bool { count < Int(limit) }

  /// Frames moved at once between a list and its zone: 64 spread the cost of an exchange (some 300
  /// instructions) to a handful a frame.
  static let batch = 64
  /// Above this a list gives a batch back: a megabyte a CPU and zone, so that two CPUs that
  /// alternate between allocating and freeing a few batches do not exchange at each turn.
  static let high = 256
  /// Above this a list of cleared frames takes no more: as many tables as 16 areas may need that come
  /// and go at places of their own.
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
