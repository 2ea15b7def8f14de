// The ten largest of thousands, without sorting them or keeping a list: each step is one pass over the table
// for the largest entry that comes after the last one found.

/// Something that a report ranks.
protocol RankedEntry: ProbeEntry {
  /// What counts first, and what decides where that is equal; the greater comes first.
  var rank: (UInt64, UInt64) { get }
}

extension ProbeTable where Entry: RankedEntry {
  /// The slot of the largest entry, or of the largest one behind the entry at `slot`. Where the ranks of
  /// entries are equal, they are in the order of their keys, which is the same on every machine.
  func largest(after slot: Int?) -> Int? {
    var best: Int?
    for candidate in 0..<slotCount where self[candidate].key != 0 {
      if let slot, !precedes(slot, candidate) { continue }
      if let known = best, !precedes(candidate, known) { continue }
      best = candidate
    }
    return best
  }

  private func precedes(_ left: Int, _ right: Int) -> Bool {
    let (left, right) = (self[left], self[right])
    if left.rank.0 != right.rank.0 { return left.rank.0 > right.rank.0 }
    if left.rank.1 != right.rank.1 { return left.rank.1 > right.rank.1 }
    return left.key < right.key
  }
}
