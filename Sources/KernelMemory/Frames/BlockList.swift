internal import CMachine

/// Blocks of frames that have left the free lists and must come back, or be mapped: a chain through the
/// metadata of each block's first frame, whose state says how many frames it heads. As with a list of single
/// frames, a path that drops one does not link.
@frozen
@usableFromInline
struct BlockList: ~Copyable {
  private var head: UInt32 = 0
  private var last: UInt32 = 0
  /// Frames of all blocks together.
  private(set) var count = 0

  init() {}

  /// Ends a list that is empty.
  consuming func end() {
    precondition(count == 0, "blocks are left on a list that ends")
    discard self
  }

  deinit { cmachine_dropped_memory() }
}

extension BlockList {
  /// Puts a block in front. O(1).
  @inline(__always)
  mutating func push(_ block: UInt32, order: Int, _ table: FrameTable) {
    table[block].value.setLinks(next: head)
    if count == 0 { last = block }
    head = block
    count &+= 1 &<< order
  }

  /// Puts a block behind the others. O(1).
  mutating func append(_ block: UInt32, order: Int, _ table: FrameTable) {
    table[block].value.setLinks(next: 0)
    if count == 0 { head = block } else { table[last].value.setLinks(next: block) }
    last = block
    count &+= 1 &<< order
  }

  /// Takes the first block. O(1).
  @inline(__always)
  mutating func pop(_ table: FrameTable) -> (first: UInt32, state: FrameState)? {
    guard count != 0 else { return nil }
    let first = head
    let metadata = table[first]
    let state = metadata.value.state
    head = metadata.value.next
    count &-= 1 &<< state.order
    return (first, state)
  }

  /// Puts another list in front of this one. O(1).
  @inline(__always)
  mutating func prepend(_ other: consuming BlockList, _ table: FrameTable) {
    if other.count != 0 {
      if count == 0 { last = other.last } else { table[other.last].value.setLinks(next: head) }
      head = other.head
      count &+= other.count
      other.count = 0
    }
    other.end()
  }

  /// Calls `body` with each block's first frame and order. O(blocks).
  func forEach(_ table: FrameTable, _ body: (UInt32, Int) -> Void) {
    var block = head
    var left = count
    while left > 0 {
      let order = table[block].value.state.order
      body(block, order)
      left &-= 1 &<< order
      block = table[block].value.next
    }
  }

  /// How many blocks of `order` it begins with. O(those).
  func leading(order: Int, _ table: FrameTable) -> Int {
    var blocks = 0
    var left = count
    var block = head
    while left > 0, table[block].value.state.order == order {
      blocks &+= 1
      left &-= 1 &<< order
      block = table[block].value.next
    }
    return blocks
  }
}
