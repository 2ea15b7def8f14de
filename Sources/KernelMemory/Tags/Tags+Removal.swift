internal import CMachine
internal import Synchronization

// Removing a tag
//
// A charge adds to its count, then reads the pass: a store and a load, which a CPU may reorder. So closing
// the pass and adding up does not suffice; between the two, every CPU serves a request outside the package
// (`Shootdown`). After it each allocation is in the sum, or has found the pass closed; one that found it
// closed cancels the removal. So a tag goes only while nothing is charged to it, and no allocation fails for
// a removal that fails itself.

extension Tags {
  /// Begins to remove a tag.
  /// - Throws: `tagUnavailable` where there is no such tag, or it is `untagged`; `tagInUse`.
  func beginRemoval(of tag: Tag, _ cpu: borrowing CPU) throws(MemoryError) {
    try locked(cpu) { () throws(MemoryError) in
      guard contains(tag), tag != .untagged else { throw .tagUnavailable }
      try checkNothingIsCharged(to: tag)
      setPass(tag, isOpen: false)
      shared(of: tag).value.holder.store(UInt32(tag.rawValue) | Holder.leaving, ordering: .releasing)
    }
  }

  /// Ends it, when every CPU has passed.
  /// - Throws: as `beginRemoval`; then the tag stays.
  func endRemoval(of tag: Tag, _ cpu: borrowing CPU) throws(MemoryError) {
    try locked(cpu) { () throws(MemoryError) in
      guard contains(tag) else { throw .tagUnavailable }
      let holder = holder(of: Int(tag.index))
      do throws(MemoryError) {
        try checkNothingIsCharged(to: tag)
        // Somebody was charged meanwhile, and has given back what he got.
        guard holder.isLeaving else { throw .tagInUse(bytes: 0, objects: 0, areas: 0) }
      } catch {
        stay(tag)
        throw error
      }
      close(tag)
      let next = UInt32(tag.rawValue &+ 0x100) & 0xffff
      shared(of: tag).value.holder.store(next | Holder.vacant, ordering: .releasing)
    }
  }

  private func checkNothingIsCharged(to tag: Tag) throws(MemoryError) {
    let usage = usage(of: tag)
    guard usage.isNothing else {
      throw .tagInUse(bytes: usage.liveBytes, objects: usage.liveObjects, areas: usage.liveAreas)
    }
  }

  private func stay(_ tag: Tag) {
    shared(of: tag).value.holder.store(UInt32(tag.rawValue), ordering: .releasing)
    setPass(tag)
  }

  /// Whether there is such a tag, for who is counted and has found the pass closed; one that is leaving
  /// stays.
  func mayBeCharged(_ tag: Tag, _ cpu: borrowing CPU) -> Bool {
    guard contains(tag) else { return false }
    guard holder(of: Int(tag.index)).isLeaving else { return true }
    return locked(cpu) {
      guard contains(tag) else { return false }
      stay(tag)
      return true
    }
  }
}
