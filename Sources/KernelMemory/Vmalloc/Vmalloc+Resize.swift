internal import Synchronization

extension Vmalloc {
  /// Notes another size of a live area, where it has room.
  /// - Parameters:
  ///   - address: of its first byte.
  ///   - byteCount: the new size; nil where the area does not serve, whatever its size. Positive.
  ///   - cpu: this CPU.
  /// - Returns: nil where that is done; the old size where it is not.
  /// - Throws: `badFree`, with nothing changed.
  func resize(
    _ address: VirtualAddress, to byteCount: Int?, _ cpu: borrowing CPU
  ) throws(MemoryError) -> Int? {
    guard let found = find(address, .live) else { throw .badFree(problem(freeing: address)) }
    let (area, generation) = (found.area, found.generation)
    let (old, pages) = (area.value.byteCount, area.value.pageCount)
    if let byteCount, PageCount(bytes: UInt64(byteCount), pageSize).rawValue <= pages {
      guard area.value.resize(to: UInt64(byteCount), in: generation) else { throw .badFree(.alreadyFree) }
      return nil
    }
    // What was read is the area's only if it has not been freed since.
    atomicMemoryFence(ordering: .acquiring)
    guard area.value.generation(in: .live) == generation else { throw .badFree(.alreadyFree) }
    return Int(truncatingIfNeeded: old)
  }
}
