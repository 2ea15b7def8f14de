internal import Synchronization

// What an NMI drops
//
// A `deinit` cannot throw. Where an NMI that has interrupted this package drops a `VirtualBuffer`,
// nothing but single words may be changed: so its area goes on a stack, by one compare-and-swap, and the next
// purge frees it. The link is the descriptor's own, which a live area does not use; the stack is only ever
// taken as a whole, so no area can come back to it between somebody's look at its top and the exchange.

extension Reclaim {
  /// Takes a live area back from its caller, and leaves all else for later. Of several that try, one
  /// succeeds. O(1).
  /// - Returns: false where the area is not live in that generation.
  func drop(_ area: Stable<AreaDescriptor>, in generation: UInt64) -> Bool {
    guard area.value.move(from: .live, to: .dropped, in: generation) else { return false }
    var top = state.value.dropped.load(ordering: .relaxed)
    while true {
      area.value.next = top
      let result = updating(.shared) {
        state.value.dropped.compareExchange(
          expected: top, desired: area.value.number, successOrdering: .releasing, failureOrdering: .relaxed)
      }
      if result.exchanged { return true }
      top = result.original
    }
  }

  /// Takes all that was dropped, linked by `next`.
  /// - Returns: the number of the first area; zero for none.
  func takeDropped() -> UInt32 {
    guard state.value.dropped.load(ordering: .relaxed) != 0 else { return 0 }
    return updating(.shared) { state.value.dropped.exchange(0, ordering: .acquiring) }
  }
}
