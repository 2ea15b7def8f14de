internal import Synchronization

// Blocks through this CPU's lists
//
// Each CPU keeps, in each zone, a short list of blocks of every order: single frames, of which most requests
// are; slabs and buffers of kmalloc; the few blocks that an area is made of. A listed block is `idle` with
// its order, and its other frames are `tail`.
//
// A pop from a list that has a block, and a push onto one that has room, take no lock and have no loop. The
// slow path refills an empty list before it pops, and drains an overfull one after it has pushed. The fast
// lists are those of the highest zone that has memory, which serves every request that names no zone.

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
    state.value.fastZone = zone
    for cpu in 0..<cpus.count {
      for order in 0...FrameCache.largestFast {
        cpus.perCPU(cpu).frames.value.fastLists[order] = list(cpu, zone, order)
      }
    }
  }
}

// MARK: - Pop

extension Frames {
  /// The first block of a list, which becomes of a kind, and whose link word says `note`; nil where there is
  /// none. O(1).
  @inline(__always)
  func pop(
    from list: Stable<FrameCache>, as kind: FrameKind, note: UInt32 = 0, _ cpu: borrowing CPU
  ) -> UInt32? {
    let block = list.value.head
    guard block != 0 else { return nil }
    pop(block, from: list, as: kind, note: note, cpu)
    return block
  }

  /// Pops `block`, which the caller has read as the head.
  @inline(__always)
  func pop(
    _ block: UInt32, from list: Stable<FrameCache>, as kind: FrameKind, note: UInt32, _ cpu: borrowing CPU
  ) {
    let metadata = cpu.perCPU.frames.value.table[block]
    list.value.pop(metadata)
    guard kind != .idle else { return }
    metadata.value.setNext(note)
    metadata.value.setState(metadata.value.state.changing(from: .idle, to: kind))
  }

  /// A block of `zone` or a lower one; nil where none has one. O(orders + batch).
  func pop(
    order: Int, _ kind: ZoneKind, as use: FrameKind = .idle, note: UInt32 = 0, _ cpu: borrowing CPU
  ) -> UInt32? {
    var zone = Int(kind.rawValue)
    while zone >= 0 {
      if let block = pop(order: order, in: zone, as: use, note: note, cpu) { return block }
      zone &-= 1
    }
    return nil
  }

  /// A block of one zone; nil where it has none. O(orders + batch).
  @inline(__always)
  func pop(
    order: Int, in zone: Int, as use: FrameKind = .idle, note: UInt32 = 0, _ cpu: borrowing CPU
  ) -> UInt32? {
    let list = list(zone, order, cpu)
    if list.value.head == 0 { refill(list, order: order, zone, cpu) }
    return pop(from: list, as: use, note: note, cpu)
  }

  /// A block of a zone, or of the highest that has memory where that is below it; nil where that has none.
  /// O(orders + batch).
  @inline(__always)
  func popBlock(order: Int, _ zone: ZoneKind, _ cpu: borrowing CPU) -> UInt32? {
    pop(order: order, in: min(Int(zone.rawValue), state.value.fastZone), cpu)
  }

  /// Whether this CPU's list for that has one.
  @inline(__always)
  func hasBlock(order: Int, _ zone: ZoneKind, _ cpu: borrowing CPU) -> Bool {
    list(order: order, zone, cpu).value.head != 0
  }

  @inline(__always)
  private func list(order: Int, _ zone: ZoneKind, _ cpu: borrowing CPU) -> Stable<FrameCache> {
    list(min(Int(zone.rawValue), state.value.fastZone), order, cpu)
  }

  /// Fills an empty list: by a batch of single frames, or one larger block, as far as the zone has them.
  @inline(never)
  func refill(_ list: Stable<FrameCache>, order: Int, _ zone: Int, _ cpu: borrowing CPU) {
    guard hasFree(zone) else { return }
    guard order == 0 else {
      let block = withZone(zone, cpu) { $0.take(order: order, zone: zone, table) }
      if let block { list.value.push(block, table[block]) }
      return
    }
    var frames = FrameList()
    popFrames(FrameCache.batch, zone, into: &frames, cpu)
    if frames.count > 0 { cpu.count(.frameCacheRefills) }
    list.value.fill(frames, table)
  }
}

// MARK: - Push

extension Frames {
  /// Frees a block, which was in `state`, onto the list of its zone and order. O(1).
  /// - Returns: false, with nothing changed, where that is no longer its state: somebody else has freed it.
  @inline(__always)
  func push(
    _ block: UInt32, _ metadata: Stable<FrameMetadata>, from state: FrameState,
    onto list: Stable<FrameCache>
  ) -> Bool {
    guard metadata.value.move(from: state, to: list.value.idle) else { return false }
    link(block, metadata, onto: list)
    return true
  }

  /// Frees a block that nobody else can reach. O(1), or O(orders + batch) where the list is full.
  @inline(__always)
  func push(_ block: UInt32, order: Int, _ zone: Int, _ table: FrameTable, _ cpu: borrowing CPU) {
    let list = list(zone, order, cpu)
    let metadata = table[block]
    metadata.value.setState(list.value.idle)
    link(block, metadata, onto: list)
    drainOverfull(list, order: order, zone, cpu)
  }

  @inline(__always)
  private func link(_ block: UInt32, _ metadata: Stable<FrameMetadata>, onto list: Stable<FrameCache>) {
    list.value.push(block, metadata)
    table.noteFree(block, order: list.value.idle.order)
  }

  /// Drains a list to which one block too many was pushed.
  @inline(__always)
  func drainOverfull(_ list: Stable<FrameCache>, order: Int, _ zone: Int, _ cpu: borrowing CPU) {
    guard list.value.isOverfull else { return }
    drain(list, order: order, zone, downTo: FrameCache.drained(order), runs: FrameCache.batch / 4, cpu)
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
        // Larger blocks have no neighbours that they could go back with.
        let run = list.value.popRun(atMost: order == 0 ? list.value.count &- count : 1, table)
        if order == 0 {
          lists.put(run: run.first, count: run.count, zone: zone, table)
        } else {
          lists.put(run.first, order: order, zone: zone, table)
        }
      }
    }
  }

  /// Frames in one CPU's lists of a zone, those that are all zero included.
  func cached(_ cpu: Int, _ zone: Int) -> Int {
    var sum = cleared(cpu, zone).value.count
    for order in 0...Zone.maxOrder { sum &+= list(cpu, zone, order).value.count &<< order }
    return sum
  }

  /// Gives this CPU's lists back to the zones, so that blocks merge. O(cached frames).
  func drainCaches(_ cpu: borrowing CPU) {
    endClearing(cpu)
    for zone in 0..<ZoneKind.count {
      for order in 0...Zone.maxOrder { drain(list(zone, order, cpu), order: order, zone, downTo: 0, cpu) }
      drain(cleared(cpu.number, zone), zone, downTo: 0, cpu)
    }
  }
}

// MARK: - A single frame of the fast zone

extension Frames {
  /// A single frame from its fast list; nil where that has none.
  @inline(__always)
  func popFrame(_ cpu: borrowing CPU) -> UInt32? { pop(from: fastList(0, cpu), as: .allocated, cpu) }

  /// Frees a single frame onto its fast list.
  /// - Returns: false, with nothing changed, where the list is full, or the frame is not allocated, alone,
  ///   and of that zone.
  @inline(__always)
  func pushFrame(_ frame: FrameNumber, _ cpu: borrowing CPU) -> Bool {
    let list = fastList(0, cpu)
    guard let metadata = cpu.perCPU.frames.value.table.metadata(of: frame),
      metadata.value.state == list.value.allocated, list.value.hasRoom
    else { return false }
    let block = UInt32(truncatingIfNeeded: frame.rawValue)
    return push(block, metadata, from: list.value.allocated, onto: list)
  }
}
