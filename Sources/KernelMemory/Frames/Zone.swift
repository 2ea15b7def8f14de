internal import Synchronization

/// The part of physical memory that a frame must come from.
@frozen
public enum ZoneKind: UInt8, Sendable {
  /// Below 16 MiB: what the 24 address lines of ISA DMA reach.
  case dma
  /// Below 4 GiB: what a device with 32 address bits reaches.
  case dma32
  /// Anything.
  case normal

  static let count = 3
  /// All zones, lowest first.
  static var all: InlineArray<3, ZoneKind> { [.dma, .dma32, .normal] }

  /// The zone of a physical address.
  init(of address: PhysicalAddress) {
    self = address.rawValue < 16 &<< 20 ? .dma : address.rawValue < 4 &<< 30 ? .dma32 : .normal
  }
}

/// What one zone holds, in frames.
public struct ZoneUsage: Equatable, Sendable {
  /// Frames that this zone was given, at start and later.
  public let managed: PageCount
  /// In the buddy lists.
  public let free: PageCount
  /// In the caches of the CPUs.
  public let cached: PageCount
  /// The order of the largest free block, or nil where no block is free.
  public let largestFreeOrder: Int?

  /// Handed out; zero where frames were on their way between lists and were seen on both.
  public var used: PageCount { PageCount(managed.rawValue.less(free.rawValue &+ cached.rawValue)) }
}

/// A zone: lists of free blocks, by order.
///
/// A block of order n is 2ⁿ frames at a multiple of 2ⁿ; its buddy is the block that differs from it in
/// that one bit of the frame number. Only the first frame of a block has a state other than `tail`, so a
/// buddy is free as a whole exactly where its first frame says `free` with the same order and zone.
struct Zone: ~Copyable {
  var heads = InlineArray<11, UInt32>(repeating: 0)
  private let nonEmptyOrdersWord = Atomic<UInt32>(0)
  private let freeWord = Atomic<UInt64>(0)
  private let managedWord = Atomic<UInt64>(0)

  /// Bit n: the list of order n is not empty. Changed under the zone's lock; read without it by reports.
  var nonEmptyOrders: UInt32 {
    get { nonEmptyOrdersWord.load(ordering: .relaxed) }
    nonmutating set { nonEmptyOrdersWord.store(newValue, ordering: .relaxed) }
  }

  /// Free frames. Changed under the zone's lock; read without it to skip an empty zone.
  var free: UInt64 {
    get { freeWord.load(ordering: .relaxed) }
    nonmutating set { freeWord.store(newValue, ordering: .relaxed) }
  }

  /// Frames that there are. Changed under the zone's lock, when memory is added; read without it.
  var managed: UInt64 {
    get { managedWord.load(ordering: .relaxed) }
    nonmutating set { managedWord.store(newValue, ordering: .relaxed) }
  }

  /// 4 MiB with 4 KiB frames: twice the 2 MiB leaf, as on other kernels.
  static let maxOrder = 10
}

extension Zone {
  /// Takes a block of `order`, split from a larger one where need be. O(orders). It is idle when this
  /// returns: a neighbour that is freed next must not take it for a free buddy.
  mutating func take(order: Int, zone: Int, _ table: FrameTable) -> UInt32? {
    let candidates = nonEmptyOrders &>> UInt32(truncatingIfNeeded: order)
    guard candidates != 0 else { return nil }
    var found = order &+ candidates.trailingZeroBitCount
    let block = heads[found]
    unlink(block, order: found, table)
    while found > order {
      found &-= 1
      link(block &+ (1 &<< UInt32(truncatingIfNeeded: found)), order: found, zone: zone, table)
    }
    table[block].value.setState(FrameState(.idle, order: order, zone: zone))
    free &-= 1 &<< UInt64(truncatingIfNeeded: order)
    return block
  }

  /// Gives a block back and merges it with its free buddies. O(orders).
  mutating func put(_ frame: UInt32, order: Int, zone: Int, _ table: FrameTable) {
    free &+= 1 &<< UInt64(truncatingIfNeeded: order)
    var block = frame
    var size = order
    while size < Self.maxOrder {
      let buddy = block ^ (1 &<< UInt32(truncatingIfNeeded: size))
      guard table[buddy].value.state == FrameState(.free, order: size, zone: zone) else { break }
      unlink(buddy, order: size, table)
      table[max(block, buddy)].value.setState(FrameState(.tail, zone: zone))
      block = min(block, buddy)
      size &+= 1
    }
    link(block, order: size, zone: zone, table)
  }

  /// Gives back a run of single frames, in the largest blocks that it is made of.
  mutating func put(run first: UInt32, count: Int, zone: Int, _ table: FrameTable) {
    guard count > 1 else { return put(first, order: 0, zone: zone, table) }
    var frame = first
    let end = first &+ UInt32(truncatingIfNeeded: count)
    while frame < end {
      // `min` of three takes an array, which the core cannot have.
      let order = min(
        min(Self.maxOrder, frame.trailingZeroBitCount), 31 &- (end &- frame).leadingZeroBitCount)
      let next = frame &+ (1 &<< UInt32(truncatingIfNeeded: order))
      let metadata = table[frame]
      for inner in 1..<1 &<< order { metadata[inner].value.setState(FrameState(.tail, zone: zone)) }
      put(frame, order: order, zone: zone, table)
      frame = next
    }
  }

  private mutating func link(_ block: UInt32, order: Int, zone: Int, _ table: FrameTable) {
    table[block].value.setState(FrameState(.free, order: order, zone: zone))
    table.insert(block, into: &heads[order])
    nonEmptyOrders |= 1 &<< UInt32(truncatingIfNeeded: order)
  }

  private mutating func unlink(_ block: UInt32, order: Int, _ table: FrameTable) {
    table.remove(block, from: &heads[order])
    if heads[order] == 0 { nonEmptyOrders &= ~(1 &<< UInt32(truncatingIfNeeded: order)) }
  }

  var largestFreeOrder: Int? {
    let orders = nonEmptyOrders
    return orders == 0 ? nil : 31 &- orders.leadingZeroBitCount
  }
}
