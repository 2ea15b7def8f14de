// Tags: who asked
//
// Every allocation is charged to a tag: a driver, a subsystem, a caller. A tag is a small number; its
// name is kept here, cut to 47 bytes. What it holds is counted by each CPU for itself, as totals that
// only grow: what is live is allocated less freed, over all CPUs, so that a free on another CPU than
// the allocation's needs no shared write.
//
// An allocation is charged in two steps. Its bytes are charged before anything is taken, since a quota may
// refuse them (`Tags+Quotas`), and that is undone where the allocation fails. What it has become, an object
// or an area, is counted when it is there; then, too, peaks are looked at (`Tags+Usage`).

internal import Synchronization

/// Who an allocation is charged to.
@frozen
public struct Tag: Equatable, Hashable, Sendable {
  public let index: UInt16

  init(index: UInt16) { self.index = index }

  /// Whoever does not say: there from the start, named "-".
  public static var untagged: Tag { Tag(index: 0) }
}

@safe
struct Tags {
  /// One more than the index of a tag fits the byte that says who owns an object.
  static let capacity = 255
  static let nameCapacity = 47

  struct Name {
    var bytes = InlineArray<47, UInt8>(repeating: 0)
    var count: UInt8 = 0

    init() {}

    init(_ byte: UInt8) {
      bytes[0] = byte
      count = 1
    }

    /// As below. The literal may be a single scalar, which has no address.
    init(_ name: StaticString) {
      self = name.withUTF8Buffer { utf8 in unsafe Name(utf8) }
    }

    /// Copies a name, cut before the character that does not fit; bytes that would break a column of a report
    /// become "_". Without a byte it is "-", so that a report has its column.
    init(_ utf8: UnsafeBufferPointer<UInt8>) {
      var end = min(utf8.count, Tags.nameCapacity)
      if end < utf8.count {
        // A character of UTF-8 has at most three bytes after its first: more are no UTF-8, and are cut anywhere.
        var start = end
        while start > 0 && end &- start < 4, unsafe utf8[start] & 0xc0 == 0x80 { start &-= 1 }
        if unsafe utf8[start] & 0xc0 == 0xc0 { end = start }
      }
      count = UInt8(end)
      if end == 0 { self = Name(UInt8(ascii: "-")) }
      for index in 0..<end {
        let byte = unsafe utf8[index]
        bytes[index] = byte <= 0x20 || byte == 0x7f ? UInt8(ascii: "_") : byte
      }
    }

    func write(to sink: inout some TextSink) {
      for index in 0..<Int(count) { sink.write(bytes[index]) }
    }
  }

  /// What is charged.
  enum Kind: Int {
    case objects, areas
  }

  /// One CPU's charges to one tag; written by that CPU alone, but for its credit.
  struct Charges: ~Copyable {
    /// How many of one kind were allocated and freed, and their bytes.
    struct Sums: ~Copyable {
      let allocated: Atomic<UInt64>
      let freed: Atomic<UInt64>
      let bytesAllocated: Atomic<UInt64>
      let bytesFreed: Atomic<UInt64>
    }

    let objects: Sums
    let areas: Sums
    /// Bytes that this CPU may allocate before it looks whether there is a new peak.
    let unseen: Atomic<UInt64>
    /// What this CPU may allocate before it asks again; zero where there is no quota.
    let credit: Atomic<UInt64>
  }

  /// What all CPUs share of one tag: written when its quota is set, and when it reaches a new peak.
  struct Shared: ~Copyable {
    /// Bytes; not looked at where there is no quota.
    let limit: Atomic<UInt64>
    let peakBytes: Atomic<UInt64>
    let peakObjects: Atomic<UInt64>
    let peakAreas: Atomic<UInt64>
  }

  struct State: ~Copyable {
    let cpus: CPUs
    let names: Stable<Name>
    let shared: Stable<Shared>
    let lock: Stable<SpinLock>
    let pageShift: UInt64
    let count = Atomic<Int>(1)
  }

  let state: Stable<State>

  /// `shared` is cleared memory for `capacity` records.
  init(
    cpus: CPUs, pageSize: PageSize, state: Stable<State>, names: Stable<Name>, shared: Stable<Shared>,
    lock: Stable<SpinLock>
  ) {
    self.state = state
    unsafe state.pointer.initialize(
      to: State(
        cpus: cpus, names: names, shared: shared, lock: lock, pageShift: UInt64(pageSize.shift)))
    unsafe names.pointer.initialize(repeating: Name(), count: Self.capacity)
    for cpu in 0..<cpus.count {
      for index in 1..<Self.capacity { close(Tag(index: UInt16(index)), cpu) }
    }
    names.value = Name(UInt8(ascii: "-"))
  }

  var count: Int { state.value.count.load(ordering: .acquiring) }

  /// Adds a tag. Names need not differ.
  func make(_ name: Name, _ cpu: borrowing CPU) throws(MemoryError) -> Tag {
    try state.value.lock.value.with(.tags, cpu) { () throws(MemoryError) in try add(name) }
  }

  private func add(_ name: Name) throws(MemoryError) -> Tag {
    guard count < Self.capacity else { throw .tagsExhausted(limit: Self.capacity) }
    let index = count
    state.value.names[index].value = name
    setCredit(Tag(index: UInt16(index)), 0)
    state.value.count.store(index &+ 1, ordering: .releasing)
    return Tag(index: UInt16(index))
  }

  func contains(_ tag: Tag) -> Bool { Int(tag.index) < count }

  func writeName(of tag: Tag, to sink: inout some TextSink) {
    state.value.names[Int(tag.index)].value.write(to: &sink)
  }

  @inline(__always)
  func charges(of tag: Tag, _ cpu: Int) -> Stable<Charges> {
    state.value.cpus.rooms(cpu).charges[Int(tag.index)]
  }

  func shared(of tag: Tag) -> Stable<Shared> { state.value.shared[Int(tag.index)] }
}

// MARK: - Charging

extension Tags {
  @inline(__always)
  func mine(_ tag: Tag, _ cpu: borrowing CPU) -> Stable<Charges> { cpu.rooms.charges[Int(tag.index)] }

  /// Charges bytes that are about to be allocated.
  /// - Returns: false where the tag's quota refuses them.
  @inline(__always)
  func charge(_ kind: Kind, _ tag: Tag, _ bytes: UInt64, _ cpu: borrowing CPU) -> Bool {
    let mine = mine(tag, cpu)
    mine[kind].bytesAllocated.bump(bytes)
    return mine.value.credit.load(ordering: .relaxed) == 0 || spend(kind, tag, bytes, cpu)
  }

  /// Takes back a charge for what could not be allocated then, on the same CPU. It becomes no credit: a sum
  /// that others take meanwhile would miss it.
  func undo(_ kind: Kind, _ tag: Tag, _ bytes: UInt64, _ cpu: borrowing CPU) {
    mine(tag, cpu)[kind].bytesAllocated.bump(0 &- bytes)
  }

  /// Counts what is charged and has been allocated.
  @inline(__always)
  func add(_ kind: Kind, _ tag: Tag, _ bytes: UInt64, _ cpu: borrowing CPU) {
    let mine = mine(tag, cpu)
    mine[kind].allocated.bump(1)
    let unseen = mine.value.unseen.load(ordering: .relaxed)
    if unseen < bytes { return look(tag, cpu) }
    mine.value.unseen.store(unseen &- bytes, ordering: .relaxed)
  }

  /// Both of the above in the usual case: no quota, and no peak to look for.
  /// - Returns: false, with nothing changed, in another case, and for a tag that does not exist.
  @inline(__always)
  func addAtOnce(_ kind: Kind, _ tag: Tag, _ bytes: UInt64, _ cpu: borrowing CPU) -> Bool {
    let mine = mine(tag, cpu)
    guard mine.value.isUnlimited else { return false }
    let unseen = mine.value.unseen.load(ordering: .relaxed)
    guard unseen >= bytes else { return false }
    mine.value.unseen.store(unseen &- bytes, ordering: .relaxed)
    mine[kind].bytesAllocated.bump(bytes)
    mine[kind].allocated.bump(1)
    return true
  }

  /// Whether `addAtOnce` would do so.
  @inline(__always)
  func canAddAtOnce(_ tag: Tag, _ bytes: UInt64, _ cpu: borrowing CPU) -> Bool {
    let mine = mine(tag, cpu)
    return mine.value.isUnlimited && mine.value.unseen.load(ordering: .relaxed) >= bytes
  }

  /// Counts what was freed.
  @inline(__always)
  func remove(_ kind: Kind, _ tag: Tag, _ bytes: UInt64, _ cpu: borrowing CPU) {
    guard isUnlimited(tag, cpu) else { return earn(kind, tag, bytes, cpu) }
    removeAtOnce(kind, tag, bytes, cpu)
  }

  /// Whether a tag has no quota.
  @inline(__always)
  func isUnlimited(_ tag: Tag, _ cpu: borrowing CPU) -> Bool {
    mine(tag, cpu).value.isUnlimited
  }

  /// As `remove`, for a tag that had no quota a moment ago.
  @inline(__always)
  func removeAtOnce(_ kind: Kind, _ tag: Tag, _ bytes: UInt64, _ cpu: borrowing CPU) {
    mine(tag, cpu).removeAtOnce(kind, bytes)
  }

  /// Adds what all tags have been charged with. O(tags × CPUs).
  func add(to sum: inout Counters) {
    for index in 0..<count {
      for cpu in 0..<state.value.cpus.count {
        let charges = charges(of: Tag(index: UInt16(index)), cpu)
        sum.add(charges.value.objects.allocated.load(ordering: .relaxed), to: .objectsAllocated)
        sum.add(charges.value.objects.freed.load(ordering: .relaxed), to: .objectsFreed)
        sum.add(charges.value.areas.allocated.load(ordering: .relaxed), to: .areasAllocated)
        sum.add(charges.value.areas.freed.load(ordering: .relaxed), to: .areasFreed)
        sum.add(pages(charges.value.areas.bytesAllocated), to: .pagesAllocated)
        sum.add(pages(charges.value.areas.bytesFreed), to: .pagesFreed)
      }
    }
  }

  private func pages(_ bytes: borrowing Atomic<UInt64>) -> UInt64 {
    bytes.load(ordering: .relaxed) &>> state.value.pageShift
  }
}

extension Tags.Charges {
  @inline(__always)
  var isUnlimited: Bool { credit.load(ordering: .relaxed) == 0 }

  /// Lets as many bytes be allocated unseen as were freed.
  @inline(__always)
  borrowing func showMore(_ bytes: UInt64) {
    unseen.store(min(unseen.load(ordering: .relaxed) &+ bytes, Tags.lookInterval), ordering: .relaxed)
  }
}

extension Stable<Tags.Charges> {
  /// As `Tags.removeAtOnce`, of one CPU and tag.
  @inline(__always)
  func removeAtOnce(_ kind: Tags.Kind, _ bytes: UInt64) {
    self[kind].freed.bump(1)
    value.showMore(bytes)
    self[kind].bytesFreed.bump(bytes)
  }

  /// The sums of one kind: they come first in a record, in the order of the kinds.
  @inline(__always)
  subscript(kind: Tags.Kind) -> Tags.Charges.Sums {
    @inline(__always) unsafeAddress {
      unsafe UnsafePointer(Stable<Tags.Charges.Sums>(bitPattern: address)[kind.rawValue].pointer)
    }
  }
}

extension Atomic where Value == UInt64 {
  /// Adds to a counter that only the calling CPU writes.
  @inline(__always)
  borrowing func bump(_ amount: UInt64) {
    store(load(ordering: .relaxed) &+ amount, ordering: .relaxed)
  }
}
