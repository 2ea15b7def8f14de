extension Frames {
  /// Cleared frames for the package's own records: 2^`order` neighbours, of a zone or a lower one.
  func allocateMetadata(order: Int = 0, zone: ZoneKind = .normal, _ cpu: borrowing CPU) -> UInt32? {
    guard let first = pop(order: order, zone, cpu) else { return nil }
    for frame in first..<first &+ 1 &<< UInt32(order) {
      table[frame].value.setState(FrameState(.metadata, zone: table[first].value.state.zone))
      table.zero(FrameNumber(UInt64(frame)))
    }
    cpu.count(.metadataFramesTaken, 1 &<< order)
    return first
  }

  /// Frees frames of the package's own records that nobody can come to any more.
  func freeMetadata(_ first: UInt32, order: Int = 0, _ cpu: borrowing CPU) {
    cpu.count(.metadataFramesReturned, 1 &<< order)
    for frame in first..<first &+ 1 &<< UInt32(order) {
      push(frame, order: 0, table[frame].value.state.zone, table, cpu)
    }
  }

  /// Hands frames over at start: splits the run into blocks by alignment and zone.
  func adopt(_ run: FrameRange) {
    var frame = run.first.rawValue
    let end = run.end.rawValue
    while frame < end {
      let zone = zone(of: frame)
      var order = min(Zone.maxOrder, frame.trailingZeroBitCount)
      while frame &+ (1 &<< UInt64(order)) > end || self.zone(of: frame &+ (1 &<< UInt64(order)) &- 1) != zone
      {
        order &-= 1
      }
      let size = UInt64(1) &<< UInt64(order)
      for offset in 0..<size {
        table[UInt32(frame &+ offset)].value.setState(FrameState(.tail, zone: zone))
      }
      buddyLists(zone).value.managed &+= size
      buddyLists(zone).value.put(UInt32(frame), order: order, zone: zone, table)
      frame &+= size
    }
  }

  /// Hands frames over after start: blocks of the largest order, one after the other, each with its zone's
  /// lock held. All have metadata.
  /// - Throws: `frameUnavailable` for one that is managed already, when those before its block are handed
  ///   over.
  func adopt(added run: FrameRange, _ cpu: borrowing CPU) throws(MemoryError) {
    // No block of the smaller of these reaches from one zone into the next, which begins at 16 MiB or 4 GiB.
    let largest = min(UInt64(1) &<< UInt64(Zone.maxOrder), (16 &<< 20) &>> UInt64(table.pageSize.shift))
    var first = run.first.rawValue
    while first < run.end.rawValue {
      let end = min(run.end.rawValue, (first | (largest &- 1)) &+ 1)
      let block = FrameRange(from: FrameNumber(first), upTo: FrameNumber(end))
      let owned = state.value.locks[zone(of: first)].value.with(.zone, cpu) { adoptUnmanaged(block) }
      if let owned { throw .frameUnavailable(owned) }
      first = end
    }
  }

  /// - Returns: the first that is managed already, with nothing done; nil where there is none.
  private func adoptUnmanaged(_ block: FrameRange) -> FrameNumber? {
    for frame in block.first.rawValue..<block.end.rawValue
    where !table[UInt32(frame)].value.state.isOf(.unmanaged) { return FrameNumber(frame) }
    adopt(block)
    return nil
  }

  /// Takes over frames that were in use before there was a manager: they are counted as its own
  /// metadata, but for the page tables among them, which are marked as such next.
  func adopt(inUse run: FrameRange) {
    for frame in run.first.rawValue..<run.end.rawValue {
      let zone = zone(of: frame)
      table[UInt32(frame)].value.setState(FrameState(.metadata, zone: zone))
      buddyLists(zone).value.managed &+= 1
    }
  }

  private func zone(of frame: UInt64) -> Int {
    Int(ZoneKind(of: FrameNumber(frame).address(table.pageSize)).rawValue)
  }
}
