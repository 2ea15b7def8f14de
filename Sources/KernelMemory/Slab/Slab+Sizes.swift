internal import Synchronization

// What live memory has room for, and another size for it where it is.

extension Slab {
  private struct Live {
    /// The bytes that its user may have.
    let room: UInt
    let state: FrameState
  }

  /// The object or block that is live and begins at an address. O(1).
  private func live(at address: UInt) -> Live? {
    let offset = address &- base
    guard let metadata = table.metadata(of: FrameNumber(UInt64(offset &>> pageShift))) else { return nil }
    let state = metadata.value.state
    if state.kind == .large {
      guard offset & UInt(table.pageSize.offsetMask) == 0 else { return nil }
      return Live(room: 1 &<< (UInt(state.order) &+ pageShift), state: state)
    }
    guard state.kind == .slab else { return nil }
    let cache = caches[state.cache]
    let (index, isFirst) = cache.value.layout.grid.object(at: address)
    guard isFirst, index < UInt(cache.value.layout.capacity),
      owner(of: address, cache).value.load(ordering: .relaxed) != 0
    else { return nil }
    return Live(room: cache.value.objectSize, state: state)
  }

  /// The bytes at an address that are its owner's, if it is the first of a live object or block. O(1).
  func size(of address: UInt) -> UInt? {
    live(at: address).flatMap { size(of: address, $0) }
  }

  private func size(of address: UInt, _ live: Live) -> UInt? {
    guard isChecked, live.state.kind == .slab else { return live.room }
    return notedSize(of: address, caches[live.state.cache])
  }

  enum Resizing {
    /// The memory stays, and has the new size.
    case inPlace
    /// It has so many bytes, and does not fit where it is.
    case elsewhere(old: UInt)
    case notLive
  }

  /// Gives a live object or block another size where it is, if it has room for that, the alignment and the
  /// zone. Takes no memory. O(1), but for the red zone.
  func resize(
    _ address: UInt, to size: UInt, alignment: UInt64, _ zone: ZoneKind, _ cpu: borrowing CPU
  ) -> Resizing {
    fenceLookup()
    guard let live = live(at: address), let old = self.size(of: address, live) else { return .notLive }
    guard size <= live.room, UInt64(address) & (alignment &- 1) == 0, live.state.zone <= Int(zone.rawValue)
    else { return .elsewhere(old: old) }
    guard isChecked, live.state.kind == .slab else { return .inPlace }
    return note(size, of: address, caches[live.state.cache]) ? .inPlace : .notLive
  }

  /// Notes another size of a live object, which is nobody's meanwhile: so it is not freed, and what is
  /// written is not somebody else's.
  private func note(_ size: UInt, of object: UInt, _ cache: Stable<CacheBlock>) -> Bool {
    let word = owner(of: object, cache)
    let owner = word.value.load(ordering: .relaxed)
    guard owner != 0, retire(owner, word) else { return false }
    note(size, Tag(index: UInt16(owner) &- 1), object, cache)
    word.value.store(owner, ordering: .releasing)
    return true
  }
}
