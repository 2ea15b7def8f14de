// Blocks of several frames through the CPU's lists
//
// As for single frames, each CPU keeps short lists of larger blocks: slabs and buffers of kmalloc are blocks,
// and an area is made of a few. A pair that hits its list takes no lock. A listed block is `idle` with its
// order, and its other frames are `tail`.

/// Which orders have lists, and how long those get.
enum BlockCaches {
  /// 2 MiB with 4 KiB frames: the size of a large leaf.
  static let largestOrder = 9
  static let count = largestOrder
  static var orders: ClosedRange<Int> { 1...largestOrder }
  /// The shortest ways serve orders up to this.
  static let largestUsual = 4

  /// With 4 KiB frames at most 256 KiB a CPU and zone in the lists of orders 1 to 6 each, and one block
  /// above, up to 2 MiB: twice what a pair needs, and small against what a CPU's share of memory is.
  @inline(__always)
  static func high(_ order: Int) -> Int { max(64 &>> order, 1) }
}

extension Frames {
  /// The list of a CPU for blocks of an order from 1 to 9.
  @inline(__always)
  func blocks(_ cpu: Int, _ zone: Int, _ order: Int) -> Stable<FrameCache> {
    state.value.blocks[(cpu &* ZoneKind.count &+ zone) &* BlockCaches.count &+ order &- 1]
  }

  /// This CPU's.
  @inline(__always)
  func blocks(_ cpu: borrowing CPU, _ zone: Int, _ order: Int) -> Stable<FrameCache> {
    cpu.rooms.value.blocks[zone &* BlockCaches.count &+ order &- 1]
  }

  /// Frames in one CPU's lists of blocks of a zone.
  func cachedInBlocks(_ cpu: Int, _ zone: Int) -> Int {
    var sum = 0
    for order in BlockCaches.orders { sum &+= blocks(cpu, zone, order).value.count &<< order }
    return sum
  }

  /// A block that is idle; nil where neither `zone` nor a lower one has one.
  /// O(orders).
  @inline(__always)
  func takeBlock(order: Int, _ kind: ZoneKind, _ cpu: borrowing CPU) -> UInt32? {
    var zone = Int(kind.rawValue)
    while zone >= 0 {
      if let block = takeBlock(order: order, in: zone, cpu) { return block }
      zone &-= 1
    }
    return nil
  }

  @inline(__always)
  func takeBlock(order: Int, in zone: Int, _ cpu: borrowing CPU) -> UInt32? {
    if order == 0 { return pop(zone, cpu) }
    if order <= BlockCaches.largestOrder {
      let list = blocks(cpu, zone, order)
      if list.value.count != 0 { return list.value.pop(table) }
    }
    return takeFromZone(order: order, zone, cpu)
  }

  @inline(never)
  func takeFromZone(order: Int, _ zone: Int, _ cpu: borrowing CPU) -> UInt32? {
    hasFree(zone) ? withZone(zone, cpu) { $0.take(order: order, zone: zone, table) } : nil
  }

  /// Gives back what `takeBlock` returned. O(1), or O(orders) where the list is full.
  @inline(__always)
  func giveBlock(_ block: UInt32, order: Int, _ cpu: borrowing CPU) {
    let zone = table[block].value.state.zone
    if order == 0 { keep(block, zone, table, cpu) } else { giveBlock(block, order: order, zone, cpu) }
  }

  /// As above, for a block of `zone` and more frames than one.
  @inline(__always)
  func giveBlock(_ block: UInt32, order: Int, _ zone: Int, _ cpu: borrowing CPU) {
    if order <= BlockCaches.largestOrder {
      let list = blocks(cpu, zone, order)
      if list.value.count < BlockCaches.high(order) {
        table[block].value.setState(FrameState(.idle, order: order, zone: zone))
        return list.value.push(block, table)
      }
    }
    giveToZone(block, order: order, zone, cpu)
  }

  @inline(never)
  func giveToZone(_ block: UInt32, order: Int, _ zone: Int, _ cpu: borrowing CPU) {
    withZone(zone, cpu) { $0.put(block, order: order, zone: zone, table) }
  }

  /// Gives this CPU's blocks of a zone back to it, so that they merge. O(blocks).
  func drainBlocks(_ zone: Int, _ cpu: borrowing CPU) {
    for order in BlockCaches.orders {
      let list = blocks(cpu, zone, order)
      while list.value.count != 0 {
        giveToZone(list.value.pop(table), order: order, zone, cpu)
      }
    }
  }
}
