// Tags: who asked
//
// Every allocation is charged to a tag: a driver, a subsystem, a caller. A tag is a small number; its
// name is kept here, cut to 47 bytes. What it holds is counted by each CPU for itself, as totals that
// only grow: what is live is allocated less freed, over all CPUs, so that a free on another CPU than
// the allocation's needs no shared write.

internal import Synchronization

/// Who an allocation is charged to.
@frozen
public struct Tag: Equatable, Hashable, Sendable {
  public let index: UInt16

  init(index: UInt16) { self.index = index }

  /// Whoever does not say: there from the start, named "-".
  public static var untagged: Tag { Tag(index: 0) }
}

/// What one tag has been charged with; pages do not include guards.
public struct TagUsage: Equatable, Sendable {
  public var areasAllocated: UInt64 = 0
  public var areasFreed: UInt64 = 0
  public var pagesAllocated: UInt64 = 0
  public var pagesFreed: UInt64 = 0
  /// Of kmalloc, sizes of classes and blocks; of vmalloc, whole pages.
  public var bytesAllocated: UInt64 = 0
  public var bytesFreed: UInt64 = 0

  public var liveAreas: UInt64 { areasAllocated &- areasFreed }
  public var livePages: UInt64 { pagesAllocated &- pagesFreed }
  public var liveBytes: UInt64 { bytesAllocated &- bytesFreed }
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

    init(_ utf8: UnsafeBufferPointer<UInt8>) {
      count = UInt8(min(utf8.count, Tags.nameCapacity))
      for index in 0..<Int(count) { unsafe bytes[index] = utf8[index] }
    }

    func write(to sink: inout some TextSink) {
      for index in 0..<Int(count) { sink.write(bytes[index]) }
    }
  }

  /// One CPU's charges to one tag; written by that CPU alone.
  struct Charges: ~Copyable {
    let areasAllocated: Atomic<UInt64>
    let areasFreed: Atomic<UInt64>
    let pagesAllocated: Atomic<UInt64>
    let pagesFreed: Atomic<UInt64>
    let bytesAllocated: Atomic<UInt64>
    let bytesFreed: Atomic<UInt64>
  }

  struct State: ~Copyable {
    let cpus: CPUs
    let names: Stable<Name>
    let charges: Stable<Charges>
    let lock: Stable<SpinLock>
    let pageShift: UInt64
    let count = Atomic<Int>(1)
  }

  private let state: Stable<State>

  /// `charges` is cleared memory for `capacity` records a CPU.
  init(
    cpus: CPUs, pageSize: PageSize, state: Stable<State>, names: Stable<Name>, charges: Stable<Charges>,
    lock: Stable<SpinLock>
  ) {
    self.state = state
    unsafe state.pointer.initialize(
      to: State(cpus: cpus, names: names, charges: charges, lock: lock, pageShift: UInt64(pageSize.shift)))
    unsafe names.pointer.initialize(repeating: Name(), count: Self.capacity)
    var name = Name()
    name.bytes[0] = UInt8(ascii: "-")
    name.count = 1
    names.value = name
  }

  var count: Int { state.value.count.load(ordering: .acquiring) }

  /// Adds a tag. Names need not differ.
  func make(_ utf8: UnsafeBufferPointer<UInt8>, _ cpu: borrowing CPU) throws(MemoryError) -> Tag {
    try state.value.lock.value.with(.tags, cpu) { () throws(MemoryError) in unsafe try add(utf8) }
  }

  private func add(_ utf8: UnsafeBufferPointer<UInt8>) throws(MemoryError) -> Tag {
    guard count < Self.capacity else { throw .tagsExhausted(limit: Self.capacity) }
    let name = unsafe Name(utf8)
    let index = count
    state.value.names[index].value = name
    state.value.count.store(index &+ 1, ordering: .releasing)
    return Tag(index: UInt16(index))
  }

  func contains(_ tag: Tag) -> Bool { Int(tag.index) < count }

  func writeName(of tag: Tag, to sink: inout some TextSink) {
    state.value.names[Int(tag.index)].value.write(to: &sink)
  }

  func charge(_ tag: Tag, areas: Int, pages: UInt64, _ cpu: borrowing CPU) {
    let mine = charges(of: tag, cpu.number)
    mine.value.areasAllocated.bump(UInt64(areas))
    mine.value.pagesAllocated.bump(pages)
    mine.value.bytesAllocated.bump(pages &<< state.value.pageShift)
  }

  func uncharge(_ tag: Tag, areas: Int, pages: UInt64, _ cpu: borrowing CPU) {
    let mine = charges(of: tag, cpu.number)
    mine.value.areasFreed.bump(UInt64(areas))
    mine.value.pagesFreed.bump(pages)
    mine.value.bytesFreed.bump(pages &<< state.value.pageShift)
  }

  @inline(__always)
  func charge(_ tag: Tag, bytes: UInt64, _ cpu: borrowing CPU) {
    charges(of: tag, cpu.number).value.bytesAllocated.bump(bytes)
  }

  @inline(__always)
  func uncharge(_ tag: Tag, bytes: UInt64, _ cpu: borrowing CPU) {
    charges(of: tag, cpu.number).value.bytesFreed.bump(bytes)
  }

  @inline(__always)
  private func charges(of tag: Tag, _ cpu: Int) -> Stable<Charges> {
    state.value.charges[cpu &* Self.capacity &+ Int(tag.index)]
  }

  /// The sum over all CPUs. O(CPUs).
  func usage(of tag: Tag) -> TagUsage {
    var sum = TagUsage()
    for cpu in 0..<state.value.cpus.count {
      let charge = charges(of: tag, cpu)
      sum.areasAllocated &+= charge.value.areasAllocated.load(ordering: .relaxed)
      sum.areasFreed &+= charge.value.areasFreed.load(ordering: .relaxed)
      sum.pagesAllocated &+= charge.value.pagesAllocated.load(ordering: .relaxed)
      sum.pagesFreed &+= charge.value.pagesFreed.load(ordering: .relaxed)
      sum.bytesAllocated &+= charge.value.bytesAllocated.load(ordering: .relaxed)
      sum.bytesFreed &+= charge.value.bytesFreed.load(ordering: .relaxed)
    }
    return sum
  }
}

extension Atomic where Value == UInt64 {
  /// Adds to a counter that only the calling CPU writes.
  @inline(__always)
  borrowing func bump(_ amount: UInt64) {
    store(load(ordering: .relaxed) &+ amount, ordering: .relaxed)
  }
}
