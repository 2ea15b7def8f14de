internal import CMachine
internal import Synchronization

// Stores to page-table entries. All of them go through here, so that a simulated machine can let its MMUs run
// between any two: hardware reads an entry whenever it likes. Each is one access of a whole word.

extension Stable where Element == Atomic<UInt64> {
  /// Stores an entry that leads to nothing which was written just before: a leaf, or none.
  @inline(__always)
  func write(_ entry: UInt64) {
    #if Ablations
    if Ablation.leafInTwoStores.isOn, entry & 1 != 0 {
      value.store(entry & 0xfff, ordering: .relaxed)
      cmachine_entry_stored(address)
    }
    #endif
    value.store(entry, ordering: .relaxed)
    cmachine_entry_stored(address)
  }

  /// Stores an entry that names a table: whoever sees it sees the table's entries.
  @inline(__always)
  func publish(_ entry: UInt64) {
    value.store(entry, ordering: .releasing)
    cmachine_entry_stored(address)
  }
}
