// Frames for page tables and index nodes
//
// Both are all zero when they are taken, and when they come back: entries and slots were cleared one by one.
// So each CPU has a list of zeroed frames for each zone, and a table that comes and goes is never cleared.
// Invariant, checked by `validate()`: a frame on such a list is all zero; nobody writes to it before it is
// taken (`noteFree` with `staysZero`).

extension Frames {
  /// Frames for `count` tables, all zero: from this CPU's list of cleared ones, and others. O(count).
  /// - Throws: `tablesExhausted`, with none taken.
  func allocateTables(_ count: Int, _ cpu: borrowing CPU) throws(MemoryError) -> FrameList {
    var list = FrameList()
    guard count > 0 else { return list }
    while list.count < count, let frame = takeCleared(cpu) { list.push(frame, table) }
    guard list.count < count else { return list }
    do throws(MemoryError) {
      var others = try allocate(count: count &- list.count, .normal, cpu)
      while let frame = others.pop(table) {
        #if Ablations
        if !Ablation.linkBeforeZero.isOn { table.zero(FrameNumber(UInt64(frame))) }
        #else
        table.zero(FrameNumber(UInt64(frame)))
        #endif
        list.push(frame, table)
      }
      others.end()
      return list
    } catch {
      let had = UInt64(list.count)
      _ = free(tables: &list, limit: .max, cpu)
      list.end()
      guard case .framesExhausted(let got, let wanted) = error else { throw error }
      throw .tablesExhausted(got: PageCount(got.rawValue &+ had), of: PageCount(wanted.rawValue &+ had))
    }
  }

  private func takeCleared(_ cpu: borrowing CPU) -> UInt32? {
    for zone in 0..<ZoneKind.count {
      if let frame = pop(from: cleared(cpu.number, zone), as: .idle, cpu) { return frame }
    }
    return nil
  }

  /// Frees up to `limit` tables of a list, whose entries are all zero; a few stay so.
  /// - Returns: how many.
  func free(tables: inout FrameList, limit: Int, _ cpu: borrowing CPU) -> Int {
    tables.drain(limit: limit, table) { frame in
      freeCleared(frame, table[frame].value.state.zone, cpu)
      #if Ablations
      if Ablation.clearFreedTable.isOn { table.zero(FrameNumber(UInt64(frame))) }
      #endif
    }
  }

  /// Frees a frame that is all zero, which may stay so.
  private func freeCleared(_ frame: UInt32, _ zone: Int, _ cpu: borrowing CPU) {
    let cache = cleared(cpu.number, zone)
    if cache.value.hasRoom {
      cache.value.push(frame, table[frame])
      table.noteFree(frame, staysZero: true)
    } else {
      push(frame, order: 0, zone, table, cpu)
    }
  }

  /// A cleared frame for a node of the index of areas, like those for tables.
  func allocateNode(_ cpu: borrowing CPU) -> UInt32? {
    guard let frame = takeCleared(cpu) else { return allocateMetadata(cpu) }
    table[frame].value.setState(FrameState(.metadata, zone: table[frame].value.state.zone))
    cpu.count(.metadataFramesTaken)
    return frame
  }

  /// Frees up to `limit` nodes of a list, all of them empty.
  /// - Returns: how many.
  func free(nodes: inout FrameList, limit: Int, _ cpu: borrowing CPU) -> Int {
    let count = nodes.drain(limit: limit, table) { node in
      let zone = table[node].value.state.zone
      table[node].value.setState(FrameState(.idle, zone: zone))
      freeCleared(node, zone, cpu)
    }
    cpu.count(.metadataFramesReturned, count)
    return count
  }
}

// MARK: - Clearing ahead

// To clear a frame takes as long as to make an area. So whoever makes areas clears a part of the next frame
// for this CPU's list each time, and mostly finds one there when it is a table's or a node's turn.

extension Frames {
  /// What is cleared in one go: an eighth of a frame of 4 KiB.
  private static var clearedWords: Int { 64 }
  /// How many frames are cleared ahead: a table and a node may be due at once.
  private static var clearedAhead: Int { 2 }

  /// Clears a part of the next frame for the list of cleared ones, where that is short. O(1).
  func clearAhead(_ cpu: borrowing CPU) {
    let own = cpu.perCPU.frames
    if own.value.clearing == 0 {
      guard cleared(cpu.number, state.value.fastZone).value.count < Self.clearedAhead,
        let frame = pop(from: fastList(0, cpu), as: .metadata, cpu)
      else { return }
      cpu.count(.metadataFramesTaken)
      own.value.clearing = frame
      own.value.clearedWords = 0
    }
    let words = table.memory(of: own.value.clearing, as: UInt64.self)[own.value.clearedWords]
    unsafe words.pointer.initialize(repeating: 0, count: Self.clearedWords)
    own.value.clearedWords &+= Self.clearedWords
    guard own.value.clearedWords == Int(table.pageSize.bytes) / MemoryLayout<UInt64>.size else { return }
    let (frame, state) = (own.value.clearing, table[own.value.clearing].value.state)
    own.value.clearing = 0
    table[frame].value.setState(state.becoming(.idle))
    cpu.count(.metadataFramesReturned)
    freeCleared(frame, state.zone, cpu)
  }

  /// Gives back the frame that is being cleared.
  func endClearing(_ cpu: borrowing CPU) {
    let frame = cpu.perCPU.frames.value.clearing
    guard frame != 0 else { return }
    cpu.perCPU.frames.value.clearing = 0
    freeMetadata(frame, cpu)
  }
}
