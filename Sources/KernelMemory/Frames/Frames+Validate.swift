extension Frames {
  /// Checks every invariant of this room while nothing runs, and names the first that does not hold.
  /// O(frames).
  /// - Parameter retired: the frames that are in retired batches.
  func validate(retired: Int) -> StaticString? {
    for zone in 0..<ZoneKind.count {
      if let problem = checkLists(of: zone) { return problem }
      for cpu in 0..<cpus.count {
        if let problem = checkCache(cleared(cpu, zone), order: 0, zone: zone) { return problem }
        if let problem = checkCleared(cleared(cpu, zone)) { return problem }
        for order in 0...Zone.maxOrder {
          if let problem = checkCache(list(cpu, zone, order), order: order, zone: zone) { return problem }
        }
      }
    }
    return checkOwners(retired: UInt64(retired))
  }

  private func checkLists(of zone: Int) -> StaticString? {
    var free: UInt64 = 0
    for order in 0...Zone.maxOrder {
      let head = buddyLists(zone).value.heads[order]
      if let problem = checkList(head, order: order, zone: zone, counting: &free) { return problem }
      let isMarked = buddyLists(zone).value.nonEmptyOrders & (1 &<< UInt32(order)) != 0
      if (head != 0) != isMarked { return "an order's mark disagrees with its list" }
    }
    return free == buddyLists(zone).value.free ? nil : "a zone's free count disagrees with its lists"
  }

  private func checkList(
    _ head: UInt32, order: Int, zone: Int, counting free: inout UInt64
  ) -> StaticString? {
    var block = head
    var previous: UInt32 = 0
    while block != 0 {
      let state = table[block].value.state
      guard state.kind == .free, state.order == order, state.zone == zone else {
        return "a block on a free list is not free there"
      }
      guard table[block].value.previous == previous else { return "a free list's back link is wrong" }
      guard block.trailingZeroBitCount >= order else { return "a free block is not aligned" }
      for offset in 1..<(UInt32(1) &<< UInt32(order)) where offset != 0 {
        if table[block &+ offset].value.state.kind != .tail { return "a free block contains a frame in use" }
      }
      free &+= 1 &<< UInt64(order)
      previous = block
      block = table[block].value.next
    }
    return nil
  }

  private func checkCache(
    _ cache: Stable<FrameCache>, order: Int, zone: Int
  ) -> StaticString? {
    var frame = cache.value.head
    for _ in 0..<cache.value.count {
      guard frame != 0 else { return "a CPU's list is shorter than its count" }
      let state = table[frame].value.state
      guard state.kind == .idle, state.order == order, state.zone == zone else {
        return "a CPU's list holds a frame in use"
      }
      frame = table[frame].value.next
    }
    return frame == 0 ? nil : "a CPU's list is longer than its count"
  }

  private func checkCleared(_ cache: Stable<FrameCache>) -> StaticString? {
    var frame = cache.value.head
    for _ in 0..<cache.value.count {
      let memory = table.memory(of: frame, as: UInt64.self)
      for word in 0..<Int(table.pageSize.bytes / 8) where memory[word].value != 0 {
        return "a cleared frame is not all zero"
      }
      frame = table[frame].value.next
    }
    return nil
  }

  /// Counts the frames by their own state, against the zones' sums.
  private func checkOwners(retired: UInt64) -> StaticString? {
    var owned: UInt64 = 0
    var idle: UInt64 = 0
    var waiting: UInt64 = 0
    table.forEach { _, metadata in
      let state = metadata.value.state
      switch state.kind {
      case .allocated, .large, .mapped: owned &+= 1 &<< UInt64(state.order)
      case .table, .metadata, .slab: owned &+= 1
      case .idle: idle &+= 1 &<< UInt64(state.order)
      case .retired: waiting &+= 1 &<< UInt64(state.order)
      case .unmanaged, .free, .tail: break
      }
    }
    var cached: UInt64 = 0
    for index in 0..<ZoneKind.count { cached &+= usage(of: ZoneKind.all[index]).cached.rawValue }
    if idle != cached { return "an idle frame is on no list" }
    if waiting != retired { return "a retired frame is in no batch" }
    return owned &+ retired == used.rawValue ? nil : "the used frames disagree with their states"
  }
}

extension FrameTable {
  /// Every frame that has metadata, holes of a section included. O(frames).
  func forEach(_ body: (UInt32, Stable<FrameMetadata>) -> Void) {
    for section in 0..<sectionCount {
      let start = section &<< Self.sectionShift
      guard let first = metadata(of: FrameNumber(start)) else { continue }
      for index in 0..<(1 &<< Int(Self.sectionShift)) {
        body(UInt32(truncatingIfNeeded: start) &+ UInt32(index), first[index])
      }
    }
  }
}
