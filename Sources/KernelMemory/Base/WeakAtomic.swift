#if Ablations && !hasFeature(Embedded)
internal import CMachine
internal import Synchronization

// Atomics that may be seen out of order
//
// In hosted builds with the package trait `Ablations` the core's atomics are these, which stand before those
// of the library: a simulated machine may keep a relaxed store to itself for a while, and let others go
// first, as weakly ordered CPUs do. On a thread that plays no CPU of such a machine they are what they always
// are.

struct Atomic<Value: AtomicRepresentable & FixedWidthInteger>: ~Copyable {
  private let word: Synchronization.Atomic<Value>

  init(_ value: Value) { word = Synchronization.Atomic(value) }

  private var address: UInt {
    unsafe withUnsafePointer(to: word) { pointer in UInt(bitPattern: pointer) }
  }

  private var size: UInt { UInt(MemoryLayout<Value>.size) }

  borrowing func load(ordering: AtomicLoadOrdering) -> Value {
    var late: UInt = 0
    if unsafe cmachine_load_kept(address, &late) { return Value(truncatingIfNeeded: late) }
    return Value(truncatingIfNeeded: cmachine_atomic_load(address, size))
  }

  borrowing func store(_ value: Value, ordering: AtomicStoreOrdering) {
    let bits = UInt(truncatingIfNeeded: value)
    if cmachine_keep_store(address, bits, size, ordering != .relaxed) { return }
    cmachine_atomic_store(address, size, bits)
  }

  @discardableResult
  borrowing func compareExchange(
    expected: Value, desired: Value, ordering: AtomicUpdateOrdering
  ) -> (exchanged: Bool, original: Value) {
    cmachine_before_update(address, ordering.isReleasing)
    var original = UInt(truncatingIfNeeded: expected)
    let exchanged = unsafe cmachine_atomic_exchange_if(
      address, size, &original, UInt(truncatingIfNeeded: desired))
    return (exchanged, Value(truncatingIfNeeded: original))
  }

  @discardableResult
  borrowing func compareExchange(
    expected: Value, desired: Value, successOrdering: AtomicUpdateOrdering,
    failureOrdering: AtomicLoadOrdering
  ) -> (exchanged: Bool, original: Value) {
    compareExchange(expected: expected, desired: desired, ordering: successOrdering)
  }

  /// Replaces the value by what `body` makes of it.
  private borrowing func update(
    _ ordering: AtomicUpdateOrdering, _ body: (Value) -> Value
  ) -> (oldValue: Value, newValue: Value) {
    while true {
      let old = load(ordering: .relaxed)
      let new = body(old)
      if compareExchange(expected: old, desired: new, ordering: ordering).exchanged { return (old, new) }
    }
  }

  @discardableResult
  borrowing func exchange(_ value: Value, ordering: AtomicUpdateOrdering) -> Value {
    update(ordering) { _ in value }.oldValue
  }

  @discardableResult
  borrowing func wrappingAdd(
    _ value: Value, ordering: AtomicUpdateOrdering
  ) -> (oldValue: Value, newValue: Value) { update(ordering) { $0 &+ value } }

  @discardableResult
  borrowing func add(
    _ value: Value, ordering: AtomicUpdateOrdering
  ) -> (oldValue: Value, newValue: Value) { update(ordering) { $0 + value } }

  @discardableResult
  borrowing func subtract(
    _ value: Value, ordering: AtomicUpdateOrdering
  ) -> (oldValue: Value, newValue: Value) { update(ordering) { $0 - value } }

  @discardableResult
  borrowing func max(
    _ value: Value, ordering: AtomicUpdateOrdering
  ) -> (oldValue: Value, newValue: Value) { update(ordering) { Swift.max($0, value) } }
}

extension AtomicUpdateOrdering {
  fileprivate var isReleasing: Bool { self != .relaxed && self != .acquiring }
}

/// The library's fence; one that releases also drains the late stores of the calling CPU.
func atomicMemoryFence(ordering: AtomicUpdateOrdering) {
  if ordering.isReleasing { cmachine_before_update(0, true) }
  Synchronization.atomicMemoryFence(ordering: .sequentiallyConsistent)
}
#endif
