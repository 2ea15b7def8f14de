/// Values by the upper bits of an address: one TLB for one page size, or one paging-structure cache.
struct AddressTable<Value> {
  private let shift: UInt64
  private var values: [UInt64: Value] = [:]

  /// - Parameter shift: how many low bits of an address do not matter.
  init(shift: UInt64) { self.shift = shift }

  /// The value for an address. O(1).
  subscript(address: UInt64) -> Value? {
    get { values.isEmpty ? nil : values[address >> shift] }
    set { values[address >> shift] = newValue }
  }

  /// Calls `body` with the lowest address that each value is for.
  func forEach(_ body: (UInt64, Value) -> Void) {
    for (key, value) in values { body(key << shift, value) }
  }

  /// Calls `body` with the values for all addresses from `start` to `last`, both included.
  /// O(the smaller of addresses and values).
  func forEach(from start: UInt64, through last: UInt64, _ body: (Value) -> Void) {
    guard !values.isEmpty else { return }
    let keys = start >> shift...last >> shift
    if keys.upperBound - keys.lowerBound < UInt64(values.count) {
      for key in keys { if let value = values[key] { body(value) } }
    } else {
      for (key, value) in values where keys.contains(key) { body(value) }
    }
  }

  mutating func removeAll() {
    if !values.isEmpty { values.removeAll(keepingCapacity: true) }
  }

  mutating func removeAll(where isDropped: (Value) -> Bool) {
    values = values.filter { !isDropped($0.value) }
  }

  /// Removes the values for all addresses from `start` to `last`, both included.
  /// O(the smaller of addresses and values).
  mutating func removeAll(from start: UInt64, through last: UInt64) {
    guard !values.isEmpty else { return }
    let keys = start >> shift...last >> shift
    if keys.upperBound - keys.lowerBound < UInt64(values.count) {
      for key in keys { values[key] = nil }
    } else {
      values = values.filter { !keys.contains($0.key) }
    }
  }
}
