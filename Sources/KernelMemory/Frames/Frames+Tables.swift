extension Frames {
  /// Frames for `count` tables: from this CPU's list of cleared ones, and others. O(count).
  /// - Parameters:
  ///   - count: tables.
  ///   - list: empty; takes the frames.
  ///   - cpu: this CPU.
  /// - Returns: how many at the front of the list are all zero.
  /// - Throws: `tablesExhausted`, with none taken.
  func allocateTables(
    _ count: Int, into list: inout FrameList, _ cpu: borrowing CPU
  ) throws(MemoryError) -> Int {
    guard count > 0 else { return 0 }
    for zone in 0..<ZoneKind.count {
      let cache = cleared(cpu.number, zone)
      while list.count < count, cache.value.count > 0 { list.push(cache.value.pop(table), table) }
    }
    let cleared = list.count
    guard cleared < count else { return cleared }
    do throws(MemoryError) {
      list.append(try allocate(count: count &- cleared, zone: .normal, cpu), table)
      return cleared
    } catch {
      free(&list, limit: .max, cpu)
      guard case .framesExhausted(let got, let wanted) = error else { throw error }
      let more = UInt64(cleared)
      throw .tablesExhausted(
        got: PageCount(got.rawValue &+ more), of: PageCount(wanted.rawValue &+ more))
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
