/// Single frames that have left the free lists and must come back, or be used: tables and nodes as well.
typealias FrameList = Chain<FrameTable>

/// Blocks of frames that have left the free lists and must come back, or be mapped: a chain of their first
/// frames, whose states say how many each heads.
struct BlockList: ~Copyable {
  private var blocks = FrameList()
  /// Frames of all blocks together.
  private(set) var count = 0

  /// Ends a list that is empty.
  consuming func end() { blocks.end() }
}

extension BlockList {
  /// Puts a block in front. O(1).
  @inline(__always)
  mutating func push(_ block: UInt32, order: Int, _ table: FrameTable) {
    blocks.push(block, table)
    count &+= 1 &<< order
  }

  /// Puts a block behind the others. O(1).
  mutating func append(_ block: UInt32, order: Int, _ table: FrameTable) {
    blocks.append(block, table)
    count &+= 1 &<< order
  }

  /// Takes the first block. O(1).
  @inline(__always)
  mutating func pop(_ table: FrameTable) -> (first: UInt32, state: FrameState)? {
    guard let first = blocks.pop(table) else { return nil }
    let state = table[first].value.state
    count &-= 1 &<< state.order
    return (first, state)
  }

  /// Puts another list in front of this one. O(1).
  @inline(__always)
  mutating func prepend(_ other: consuming BlockList, _ table: FrameTable) {
    count &+= other.count
    blocks.prepend(other.blocks, table)
  }

  /// Calls `body` with each block's first frame and order. O(blocks).
  func forEach(_ table: FrameTable, _ body: (UInt32, Int) -> Void) {
    blocks.forEach(table) { block in body(block, table[block].value.state.order) }
  }

  /// How many blocks of `order` it begins with. O(those).
  func leading(order: Int, _ table: FrameTable) -> Int {
    blocks.prefix(table) { block in table[block].value.state.order == order }
  }
}
