internal import Synchronization

/// One CPU's list of blocks of one order, in one zone. Zeroed memory is an empty list without room.
struct FrameCache: ~Copyable {
  /// The first block; zero for none.
  private(set) var head: UInt32 = 0
  private let countWord: Atomic<Int>
  /// Capacity, in blocks.
  private let limit: Int
  /// The state of a listed block's first frame.
  let idle: FrameState
  /// Its state when a caller has the block.
  let allocated: FrameState
  /// Its state when kmalloc has handed it out.
  let large: FrameState
  /// Bytes of a block.
  let byteCount: UInt64

  init(order: Int, zone: Int, limit: Int, _ pageSize: PageSize) {
    countWord = Atomic(0)
    self.limit = limit
    idle = FrameState(.idle, order: order, zone: zone)
    allocated = FrameState(.allocated, order: order, zone: zone)
    large = FrameState(.large, order: order, zone: zone)
    byteCount = pageSize.bytes &<< UInt64(order)
  }

  /// Written by the CPU that has the list, read by any.
  var count: Int {
    get { countWord.load(ordering: .relaxed) }
    nonmutating set { countWord.store(newValue, ordering: .relaxed) }
  }

  @inline(__always)
  var hasRoom: Bool { count < limit }
  @inline(__always)
  var isOverfull: Bool { count > limit }

  /// Order 0: 256 frames, four batches, so that a CPU that allocates and frees a few batches in turn does not
  /// go to the zone each time. Orders 1 to 6: 256 KiB with 4 KiB frames; then one block, up to 2 MiB: all
  /// lists of a CPU and zone hold at most some 6 MiB. None of the largest order.
  static func limit(_ order: Int) -> Int {
    order == 0 ? 256 : order == Zone.maxOrder ? 0 : max(64 &>> order, 1)
  }

  /// What an overfull list is drained to.
  static func drained(_ order: Int) -> Int { order == 0 ? limit(0) &+ 1 &- batch : limit(order) }

  /// Fast lists serve orders up to this: buffers of kmalloc of up to 64 KiB with 4 KiB frames.
  static let largestFast = 4
  /// Frames that one refill or drain moves: 64 spread the cost of a visit to the zone (some 300 instructions)
  /// to a handful a frame.
  static let batch = 64
  /// The capacity of a list of zeroed frames: two tables for each of 16 areas that come and go.
  static let clearedLimit = 32
}

extension FrameCache {
  @inline(__always)
  mutating func push(_ block: UInt32, _ metadata: Stable<FrameMetadata>) {
    metadata.value.setNext(head)
    head = block
    count &+= 1
  }

  /// Takes the first block, of which this is the metadata.
  @inline(__always)
  mutating func pop(_ metadata: Stable<FrameMetadata>) {
    head = metadata.value.next
    count &-= 1
  }

  /// Puts single frames into an empty list.
  mutating func fill(_ frames: consuming FrameList, _ table: FrameTable) {
    let chain = frames.elements()
    guard chain.count > 0 else { return }
    table.link(chain.last, to: 0)
    head = chain.head
    count = chain.count
  }

  /// Takes up to `limit` single frames.
  mutating func pop(atMost limit: Int, _ table: FrameTable) -> FrameList {
    let taken = min(limit, count)
    guard taken > 0 else { return FrameList() }
    let first = head
    var last = first
    for _ in 1..<taken { last = table[last].value.next }
    head = table[last].value.next
    count &-= taken
    return FrameList(head: first, last: last, count: taken)
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
