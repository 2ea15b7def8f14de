extension MemoryManager {
  /// Has the next purge free an area that cannot be freed here: for a buffer that an NMI drops in the middle
  /// of this package. Legal in any context. O(1).
  func freeLater(_ address: VirtualAddress, in generation: UInt64) {
    guard let found = liveArea(startingAt: address), found.generation == generation,
      reclaim.drop(found.area, in: generation)
    else { return }
    cpus.count(.freesDeferred)
  }

  /// Frees what NMIs have dropped. O(those).
  func freeDropped(_ cpu: borrowing CPU) {
    var next = reclaim.takeDropped()
    while next != 0 {
      let (number, area) = (next, arenas.pool[next])
      next = area.value.next
      let (pages, tag) = (area.value.pageCount, area.value.traits.tag)
      guard reclaim.retire(number, from: .dropped, in: area.value.generation, cpu) else { continue }
      tags.discharge(.areas, tag, pages &<< UInt64(pageSize.shift), cpu)
    }
  }
}
