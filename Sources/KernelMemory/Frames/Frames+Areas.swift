// Frames for areas
//
// An area takes its frames in blocks, the fewest and largest there are: of 512 pages that are one block the
// metadata of one frame says what it is, one entry of a list leads to it, and it goes back as the block
// it was. Where memory is in small pieces the same loop ends up with single frames.

extension Frames {
  /// 2 MiB with 4 KiB frames: the size of a large leaf.
  static var largestAreaOrder: Int { 9 }

  /// Allocates `count` frames, wherever they lie, in blocks that grow no larger along the list, from `zone`
  /// and lower ones. O(blocks).
  /// - Throws: `framesExhausted` with how many there were, and none taken.
  func allocateBlocks(
    _ count: UInt64, _ zone: ZoneKind, _ cpu: borrowing CPU
  ) throws(MemoryError) -> BlockList {
    var list = BlockList()
    var left = count
    for zone in (0...Int(zone.rawValue)).reversed() where left > 0 {
      takeBlocks(&left, zone, into: &list, cpu)
    }
    guard left == 0 else {
      free(&list, cpu)
      list.end()
      throw .framesExhausted(got: PageCount(count &- left), of: PageCount(count))
    }
    return list
  }

  private func takeBlocks(
    _ left: inout UInt64, _ zone: Int, into list: inout BlockList, _ cpu: borrowing CPU
  ) {
    let table = table
    var order = Self.largestAreaOrder
    while left > 0 {
      order = min(order, 63 &- left.leadingZeroBitCount)
      if let block = pop(order: order, in: zone, cpu) {
        list.append(block, order: order, table)
        left &-= 1 &<< UInt64(truncatingIfNeeded: order)
      } else if order > 0 {
        order &-= 1
      } else {
        return
      }
    }
  }

  /// Frees blocks of a list until `limit` of them or `frames` frames are. O(blocks).
  /// - Returns: how many blocks.
  @discardableResult
  func free(
    _ list: inout BlockList, limit: Int = .max, frames: Int = .max, _ cpu: borrowing CPU
  ) -> Int {
    let table = table
    var count = 0
    var left = frames
    while count < limit, left > 0, let (block, state) = list.pop(table) {
      push(block, order: state.order, state.zone, table, cpu)
      count &+= 1
      left &-= 1 &<< state.order
    }
    return count
  }

  /// The area that maps a frame, and which of its pages: what the first frame of its block says. Nil where no
  /// area does. O(orders).
  func mapper(of frame: UInt32) -> (area: UInt32, page: UInt32)? {
    let head = head(around: frame)
    guard table[head].value.state.kind == .mapped else { return nil }
    let (area, page) = table[head].value.mapper
    return (area, page &+ frame &- head)
  }
}
