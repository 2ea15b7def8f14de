extension Frames {
  /// Frames for `count` tables, all zero: from this CPU's list of cleared ones, and others. O(count).
  /// - Throws: `tablesExhausted`, with none taken.
  func allocateTables(_ count: Int, _ cpu: borrowing CPU) throws(MemoryError) -> FrameList {
    var list = FrameList()
    guard count > 0 else { return list }
    for zone in 0..<ZoneKind.count {
      let cache = cleared(cpu.number, zone)
      while list.count < count, cache.value.count > 0 { list.push(cache.value.pop(table), table) }
    }
    guard list.count < count else { return list }
    do throws(MemoryError) {
      var others = try allocate(count: count &- list.count, zone: .normal, cpu)
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

  /// Frees up to `limit` tables of a list, whose entries are all zero; a few stay so.
  /// - Returns: how many.
  func free(tables: inout FrameList, limit: Int, _ cpu: borrowing CPU) -> Int {
    var count = 0
    while count < limit, let frame = tables.pop(table) {
      let zone = table[frame].value.state.zone
      let cache = cleared(cpu.number, zone)
      if cache.value.count < FrameCache.clearedHigh {
        cache.value.push(frame, table)
      } else {
        keep(frame, zone, table, cpu)
      }
      count &+= 1
    }
    return count
  }
}
