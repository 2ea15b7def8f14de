internal import Synchronization

// Blocks through this CPU's lists
//
// Each CPU keeps, in each zone, a short list of blocks of every order up to 9: single frames, of which most
// requests are; slabs and buffers of kmalloc; the few blocks that an area is made of. A listed block is
// `idle` with its order, and its other frames are `tail`.
//
// A pair whose list is neither empty nor full is one `pop` and one `push`: no lock, no loop. An empty list is
// refilled first, an overfull one drained after. The fast lists are those of the highest zone that has
// memory, which serves every request that names no zone.

extension Frames {
  /// A CPU's list of a zone's blocks of an order.
  @inline(__always)
  func list(_ cpu: Int, _ zone: Int, _ order: Int) -> Stable<FrameCache> {
    cpus.perCPU(cpu).records(Self.lists)[zone &* Self.listsOfZone &+ order]
  }

  /// This CPU's list of a zone's blocks of an order.
  @inline(__always)
  func list(_ zone: Int, _ order: Int, _ cpu: borrowing CPU) -> Stable<FrameCache> {
    cpu.perCPU.records(Self.lists)[zone &* Self.listsOfZone &+ order]
  }

  /// This CPU's list of an order up to `largestFast`, in the highest zone that has memory.
  @inline(__always)
  func fastList(_ order: Int, _ cpu: borrowing CPU) -> Stable<FrameCache> {
    cpu.perCPU.frames.value.fastLists[order]
  }

  /// Tells every CPU which lists are the fast ones.
  func selectFastZone() {
    var zone = ZoneKind.count &- 1
    while zone > 0 && buddyLists(zone).value.managed == 0 { zone &-= 1 }
    for cpu in 0..<cpus.count {
      for order in 0...FrameCache.largestFast {
        cpus.perCPU(cpu).frames.value.fastLists[order] = list(cpu, zone, order)
      }
      cpus.perCPU(cpu).frames.value.fastIdleState = FrameState(.idle, zone: zone)
    }
  }
}

// MARK: - Fast lists

extension Frames {
  /// Takes a block from a list that has one. It becomes of `kind`, and its link word says `note`. O(1).
  @inline(__always)
  func pop(
    from list: Stable<FrameCache>, as kind: FrameKind, note: UInt32, _ cpu: borrowing CPU
  ) -> UInt32 {
    let block = list.value.head
    let metadata = cpu.perCPU.frames.value.table[block]
    list.value.head = metadata.value.next
    list.value.count &-= 1
    metadata.value.setLinks(next: note)
    metadata.value.setState(metadata.value.state.changing(from: .idle, to: kind))
    return block
  }

  /// Frees a block, which was in `state`, onto a list that has room. O(1).
  /// - Returns: false, with nothing changed, where that is no longer its state: somebody else has freed it.
  @inline(__always)
  func push(
    _ block: FrameNumber, _ metadata: Stable<FrameMetadata>, from state: FrameState, to idle: FrameState,
    onto list: Stable<FrameCache>
  ) -> Bool {
    guard metadata.value.move(from: state, to: idle) else { return false }
    metadata.value.setLinks(next: list.value.head)
    list.value.head = UInt32(truncatingIfNeeded: block.rawValue)
    list.value.count &+= 1
    table.noteFree(UInt32(truncatingIfNeeded: block.rawValue), order: idle.order)
    return true
  }

  /// Takes a single frame from its fast list; zero where that has none.
  @inline(__always)
  func popFrame(_ cpu: borrowing CPU) -> UInt32 {
    let list = fastList(0, cpu)
    return list.value.count == 0 ? 0 : pop(from: list, as: .allocated, note: 0, cpu)
  }

  /// Frees a single frame onto its fast list.
  /// - Returns: false, with nothing changed, where it is none of that zone, the list is full, or the frame is
  ///   not allocated.
  @inline(__always)
  func pushFrame(_ frame: FrameNumber, _ cpu: borrowing CPU) -> Bool {
    guard let metadata = cpu.perCPU.frames.value.table.metadata(of: frame) else { return false }
    let idle = cpu.perCPU.frames.value.fastIdleState
    let allocated = idle.changing(from: .idle, to: .allocated)
    let list = fastList(0, cpu)
    guard metadata.value.state == allocated, list.value.hasRoom else { return false }
    return push(frame, metadata, from: allocated, to: idle, onto: list)
  }
}

// MARK: - Lists of every zone

extension Frames {
  /// An idle block of `zone` or a lower one; nil where none has one. O(orders + batch).
  @inline(__always)
  func pop(order: Int, _ kind: ZoneKind, _ cpu: borrowing CPU) -> UInt32? {
    var zone = Int(kind.rawValue)
    while zone >= 0 {
      if let block = pop(order: order, in: zone, cpu) { return block }
      zone &-= 1
    }
    return nil
  }

  /// An idle block of one zone; nil where it has none. O(orders + batch).
  @inline(__always)
  func pop(order: Int, in zone: Int, _ cpu: borrowing CPU) -> UInt32? {
    guard order <= FrameCache.largestOrder else { return takeFromZone(order: order, zone, cpu) }
    let list = list(zone, order, cpu)
    guard list.value.count != 0 || refill(list, order: order, zone, cpu) else { return nil }
    return list.value.pop(table)
  }

  /// Takes back a block that is nobody's. O(1), or O(orders + batch) where the list is full.
  @inline(__always)
  func push(_ block: UInt32, order: Int, _ zone: Int, _ table: FrameTable, _ cpu: borrowing CPU) {
    guard order <= FrameCache.largestOrder else { return giveToZone(block, order: order, zone, cpu) }
    let list = list(zone, order, cpu)
    table[block].value.setState(FrameState(.idle, order: order, zone: zone))
    list.value.push(block, table)
    table.noteFree(block, order: order)
    if list.value.isOverfull {
      drain(list, order: order, zone, downTo: FrameCache.drained(order), runs: FrameCache.batch / 4, cpu)
    }
  }

  /// - Returns: whether the list has a block now.
  @inline(never)
  func refill(
    _ list: Stable<FrameCache>, order: Int, _ zone: Int, _ cpu: borrowing CPU
  ) -> Bool {
    guard hasFree(zone) else { return false }
    guard order == 0 else {
      guard let block = takeFromZone(order: order, zone, cpu) else { return false }
      list.value.push(block, table)
      return true
    }
    var frames = FrameList()
    takeSingles(FrameCache.batch, zone, into: &frames, cpu)
    let chain = frames.unchained()
    guard chain.count > 0 else { return false }
    list.value.head = chain.head
    list.value.count = chain.count
    cpu.count(.frameCacheRefills)
    return true
  }

  /// Gives blocks back to their zone, until `count` are left or `runs` runs of neighbours are freed: each run
  /// takes some 300 instructions, which bounds the time under the zone's lock.
  @inline(never)
  private func drain(
    _ list: Stable<FrameCache>, order: Int = 0, _ zone: Int, downTo count: Int, runs: Int = .max,
    _ cpu: borrowing CPU
  ) {
    guard list.value.count > count else { return }
    if order == 0 { cpu.count(.frameCacheDrains) }
    withZone(zone, cpu) { lists in
      var left = runs
      while list.value.count > count, left > 0 {
        left &-= 1
        guard order == 0 else {
          lists.put(list.value.pop(table), order: order, zone: zone, table)
          continue
        }
        let run = list.value.popRun(atMost: list.value.count &- count, table)
        lists.put(run: run.first, count: run.count, zone: zone, table)
      }
    }
  }

  @inline(never)
  private func takeFromZone(order: Int, _ zone: Int, _ cpu: borrowing CPU) -> UInt32? {
    hasFree(zone) ? withZone(zone, cpu) { $0.take(order: order, zone: zone, table) } : nil
  }

  @inline(never)
  private func giveToZone(_ block: UInt32, order: Int, _ zone: Int, _ cpu: borrowing CPU) {
    withZone(zone, cpu) { $0.put(block, order: order, zone: zone, table) }
    table.noteFree(block, order: order)
  }

  /// Frames in one CPU's lists of a zone, those that are all zero included.
  func cached(_ cpu: Int, _ zone: Int) -> Int {
    var sum = cleared(cpu, zone).value.count
    for order in 0...FrameCache.largestOrder { sum &+= list(cpu, zone, order).value.count &<< order }
    return sum
  }

  /// Gives this CPU's lists back to the zones, so that blocks merge. O(cached frames).
  func drainCaches(_ cpu: borrowing CPU) {
    for zone in 0..<ZoneKind.count {
      for order in 0...FrameCache.largestOrder {
        drain(list(zone, order, cpu), order: order, zone, downTo: 0, cpu)
      }
      drain(cleared(cpu.number, zone), zone, downTo: 0, cpu)
    }
  }
}
