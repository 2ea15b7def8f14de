// Blocks of several frames through the CPU's lists
//
// As for single frames, each CPU keeps short lists of blocks of the orders that kmalloc asks for: those
// of slabs and of buffers up to 64 KiB, and 2 MiB, the size of a large leaf. A pair that hits its list
// takes no lock. A listed block is `idle` with its order, and its other frames are `tail`.

/// Which orders have lists, and how long those get.
enum BlockCaches {
  static let count = 5
  /// All orders up to this have a list.
  static let largestUsual = 4

  /// 1 to 4, and 9.
  static func order(_ slot: Int) -> Int { slot == 4 ? 9 : slot &+ 1 }

  /// The list of an order; nil where it has none.
  @inline(__always)
  static func slot(_ order: Int) -> Int? {
    order == 9 ? 4 : (1...4).contains(order) ? order &- 1 : nil
  }

  /// With 4 KiB frames at most 256 KiB a CPU and zone in the lists of orders 1 to 4 each, and one block of
  /// 2 MiB: twice what a pair needs, and small against what a CPU's share of memory is.
  @inline(__always)
  static func high(_ order: Int) -> Int { order == 9 ? 1 : 64 &>> order }
}

extension Frames {
  func blocks(_ cpu: Int, _ zone: Int, _ slot: Int) -> Stable<FrameCache> {
    state.value.blocks[(cpu &* ZoneKind.count &+ zone) &* BlockCaches.count &+ slot]
  }

  /// This CPU's.
  @inline(__always)
  func blocks(_ cpu: borrowing CPU, _ zone: Int, _ slot: Int) -> Stable<FrameCache> {
    cpu.rooms.value.blocks[zone &* BlockCaches.count &+ slot]
  }

  /// Frames in one CPU's lists of blocks of a zone.
  func cachedInBlocks(_ cpu: Int, _ zone: Int) -> Int {
    var sum = 0
    for slot in 0..<BlockCaches.count {
      sum &+= blocks(cpu, zone, slot).value.count &<< BlockCaches.order(slot)
    }
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
  private func takeBlock(order: Int, in zone: Int, _ cpu: borrowing CPU) -> UInt32? {
    if order == 0 { return pop(zone, cpu) }
    if let slot = BlockCaches.slot(order) {
      let list = blocks(cpu, zone, slot)
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
    if order == 0 { return keep(block, zone, table, cpu) }
    if let slot = BlockCaches.slot(order) {
      let list = blocks(cpu, zone, slot)
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
    for slot in 0..<BlockCaches.count {
      let list = blocks(cpu, zone, slot)
      while list.value.count != 0 {
        giveToZone(list.value.pop(table), order: BlockCaches.order(slot), zone, cpu)
      }
    }
  }
}
