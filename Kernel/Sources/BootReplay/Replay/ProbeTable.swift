// Tables
//
// The job knows after one pass how many areas, sizes and tasks there can be at most, and asks its caller
// for that much memory at once. In it lie three hash tables with open addressing and linear probing: at
// least twice as many slots as entries, so a search is short and always meets a vacant slot. An entry
// that is removed leaves no marker: the entries behind it move up where that brings them nearer to their
// first slot (Knuth, The Art of Computer Programming, vol. 3, 6.4, algorithm R).

/// A value in a `ProbeTable`. The key zero marks a vacant slot.
protocol ProbeEntry: BitwiseCopyable {
  var key: UInt64 { get }
  static var vacant: Self { get }
}

/// A hash table in memory that somebody else owns, and keeps for as long as the table is in use.
@safe
struct ProbeTable<Entry: ProbeEntry> {
  private let slots: UnsafeMutablePointer<Entry>
  private let mask: Int
  let capacity: Int
  private(set) var count = 0

  /// The bytes for `capacity` entries. A capacity is the number of lines of some text in memory, each many
  /// times as long as a slot's share, so nothing here can wrap.
  static func byteCount(capacity: Int) -> Int { slotCount(capacity) * MemoryLayout<Entry>.stride }

  /// The power of two that is at least twice the capacity.
  private static func slotCount(_ capacity: Int) -> Int {
    1 << (Int.bitWidth - max(1, capacity * 2 - 1).leadingZeroBitCount)
  }

  /// Takes the first bytes of `memory`, which must be aligned for an entry, and leaves the rest there; nil
  /// where they are too few.
  init?(capacity: Int, in memory: inout UnsafeMutableRawBufferPointer) {
    let bytes = Self.byteCount(capacity: capacity)
    guard bytes <= memory.count, let base = memory.baseAddress,
      UInt(bitPattern: base) % UInt(MemoryLayout<Entry>.alignment) == 0
    else { return nil }
    let slotCount = Self.slotCount(capacity)
    unsafe slots = base.initializeMemory(as: Entry.self, repeating: .vacant, count: slotCount)
    unsafe memory = UnsafeMutableRawBufferPointer(rebasing: memory[bytes...])
    mask = slotCount - 1
    self.capacity = capacity
  }

  /// The number of slots: `self[slot]` is an entry, or vacant, for every one below.
  var slotCount: Int { mask + 1 }

  subscript(slot: Int) -> Entry {
    get { unsafe slots[slot & mask] }
    nonmutating set { unsafe slots[slot & mask] = newValue }
  }

  /// The slot of an entry that has this key.
  func find(_ key: UInt64) -> Int? { find(key) { _ in true } }

  /// The slot of the entry that has this key and satisfies `isMatch`.
  func find(_ key: UInt64, where isMatch: (Entry) -> Bool) -> Int? {
    var slot = home(key)
    while self[slot].key != 0 {
      if self[slot].key == key, isMatch(self[slot]) { return slot }
      slot = (slot + 1) & mask
    }
    return nil
  }

  /// Adds an entry, which may have a key that is there already; nil where the table is full.
  mutating func insert(_ entry: Entry) -> Int? {
    guard count < capacity, entry.key != 0 else { return nil }
    var slot = home(entry.key)
    while self[slot].key != 0 { slot = (slot + 1) & mask }
    self[slot] = entry
    count += 1
    return slot
  }

  mutating func remove(at slot: Int) {
    guard self[slot].key != 0 else { return }
    var hole = slot & mask
    var next = (hole + 1) & mask
    while self[next].key != 0 {
      let distance = (next &- home(self[next].key)) & mask
      if distance >= (next &- hole) & mask {
        self[hole] = self[next]
        hole = next
      }
      next = (next + 1) & mask
    }
    self[hole] = .vacant
    count -= 1
  }

  mutating func removeAll() {
    var slot = 0
    while slot < slotCount {
      self[slot] = .vacant
      slot += 1
    }
    count = 0
  }

  /// Multiplication by 2^64 over the golden ratio spreads keys that differ in few bits (same, 6.4).
  private func home(_ key: UInt64) -> Int {
    Int(truncatingIfNeeded: (key &* 0x9e37_79b9_7f4a_7c15) &>> 32) & mask
  }
}
