// Tags: who asked
//
// Every allocation is charged to a tag: a driver, a subsystem, a caller. A tag is a small number, and which
// of the number's generations it is; its name stands here, cut to 47 bytes. What it holds is counted by each
// CPU for itself, as totals that only grow: what is live is allocated less freed, over all CPUs, so that a
// free on another CPU than the allocation's needs no shared write.
//
// What is asked for is checked, then charged, then taken. A CPU has an allowance for each tag, a word that
// counts down; while it lasts, a charge is two additions and a comparison. When it runs out, the peak is
// sampled (`Tags+Usage`) after the allocation has succeeded. An allocation that fails takes its charge back.
//
// Each CPU's record has a pass: the handle of the tag that may be charged there without asking. A tag with a
// quota (`Tags+Quotas`) has no pass, so every charge asks the quota; neither has a tag that was removed
// (`Tags+Removal`), so a stale handle is charged to nobody.

internal import Synchronization

/// Who an allocation is charged to. When a tag is removed its number may be another's later: that one is not
/// equal to it.
@frozen
public struct Tag: Equatable, Hashable, Sendable {
  /// The number in the low byte, and in the byte above it which of the number's generations this is; as wide
  /// as a register, so that it is compared as it is.
  @usableFromInline let rawValue: UInt64

  init(rawValue: UInt64) { self.rawValue = rawValue }
  init(index: UInt16) { rawValue = UInt64(index) }

  /// A number below 255: no two tags have it at a time.
  public var index: UInt16 { UInt16(rawValue & 0xff) }

  /// Whoever does not say: there from the start, named "-".
  public static var untagged: Tag { Tag(index: 0) }
}

@safe
struct Tags {
  /// One more than the index of a tag fits the byte that says who owns an object.
  static let capacity = 255
  /// With its count a name is 48 bytes.
  static let nameCapacity = 47

  struct Name {
    var bytes = InlineArray<47, UInt8>(repeating: 0)
    var count: UInt8 = 0

    init() {}

    init(_ byte: UInt8) {
      bytes[0] = byte
      count = 1
    }

    /// A name from a literal, which may be a single scalar and then has no address.
    init(_ name: StaticString) {
      self = name.withUTF8Buffer { utf8 in unsafe Name(utf8) }
    }

    /// Copies a name, cut before the character that does not fit; bytes that would break a column of a report
    /// become "_". Without a byte it is "-", so that a report has its column.
    init(_ utf8: UnsafeBufferPointer<UInt8>) {
      var end = min(utf8.count, Tags.nameCapacity)
      if end < utf8.count {
        // A character of UTF-8 has at most three bytes after its first: more are no UTF-8, and are cut
        // anywhere.
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

  /// One CPU's charges to one tag; written by that CPU alone, but for the pass and the credits.
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
    /// Bytes that this CPU may allocate before it samples the peak; above `largestAllowance` it counts as
    /// that.
    let allowance: Atomic<UInt64>
    /// The handle of the tag that is charged here as long as the allowance lasts; `noTag` where it has a
    /// quota, or there is none, or it is being removed.
    let pass: Atomic<UInt64>
    /// To a power of two, so that a record is found by a shift.
    private let padding: InlineArray<4, UInt64>
    /// What this CPU may allocate before it asks again; zero where there is no such quota.
    let byteCredit: Atomic<UInt64>
    let areaCredit: Atomic<UInt64>
  }

  /// What has come of a charge.
  enum ChargeOutcome {
    /// Nothing is charged: the quota of bytes, or that of areas, refuses it.
    case overBytes, overAreas
    case paid
    /// Paid; once it is allocated, `finish` looks for a peak.
    case peakIsDue

    @inline(__always)
    var isRefused: Bool { self == .overBytes || self == .overAreas }
  }

  /// What all CPUs share of one tag: written when its quota is set, and when it reaches a new peak.
  struct Shared: ~Copyable {
    /// Not looked at where there is no such quota.
    let byteLimit: Atomic<UInt64>
    let areaLimit: Atomic<UInt64>
    let peakBytes: Atomic<UInt64>
    let peakObjects: Atomic<UInt64>
    let peakAreas: Atomic<UInt64>
    /// What was allocated and freed when the number was given last: counters go on, and usage begins anew.
    let objectsBefore: Atomic<UInt64>
    let objectBytesBefore: Atomic<UInt64>
    let areasBefore: Atomic<UInt64>
    let areaBytesBefore: Atomic<UInt64>
    /// Whose the number is.
    let holder: Atomic<UInt32>
  }

  /// Whose a number is: a handle, and what becomes of it.
  struct Holder {
    var rawValue: UInt32

    /// Nobody's: the handle is the next one.
    static var vacant: UInt32 { 1 &<< 17 }
    /// It goes, unless somebody is charged meanwhile.
    static var leaving: UInt32 { 1 &<< 16 }

    var tag: Tag { Tag(rawValue: UInt64(rawValue & 0xffff)) }
    var isVacant: Bool { rawValue & Self.vacant != 0 }
    var isLeaving: Bool { rawValue & Self.leaving != 0 }
  }

  /// A value that is no tag's handle.
  static var noTag: UInt64 { .max }

  struct State: ~Copyable {
    let cpus: CPUs
    let names: Stable<Name>
    let shared: Stable<Shared>
    let lock: Stable<SpinLock>
    let pageShift: UInt64
    /// Numbers that have ever been used.
    let count = Atomic<Int>(1)
    /// The number that was given last. Under the lock.
    var newest = 0
  }

  let state: Stable<State>

  init(
    _ cpus: CPUs, _ pageSize: PageSize, carving memory: inout some Carver & ~Copyable
  ) throws(MemoryError) {
    state = try memory.carve(1)
    let names: Stable<Name> = try memory.carve(Self.capacity)
    let shared: Stable<Shared> = try memory.carve(Self.capacity)
    unsafe state.pointer.initialize(
      to: State(
        cpus: cpus, names: names, shared: shared, lock: try memory.carve(1),
        pageShift: UInt64(pageSize.shift)))
    unsafe names.pointer.initialize(repeating: Name(), count: Self.capacity)
    names.value = Name(UInt8(ascii: "-"))
    for cpu in 0..<cpus.count { nobody(cpu).value.pass.store(Self.noTag, ordering: .relaxed) }
    for index in 1..<UInt16(Self.capacity) {
      shared[Int(index)].value.holder.store(UInt32(index) | Holder.vacant, ordering: .relaxed)
      close(Tag(index: index))
    }
  }

  /// Numbers that have ever been used.
  var count: Int { state.value.count.load(ordering: .acquiring) }

  /// Works on whose the numbers are, and on quotas, alone.
  func locked<Result, Failure: Error>(
    _ cpu: borrowing CPU, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try state.value.lock.value.with(.tags, cpu, body)
  }

  /// Adds a tag. Names need not differ.
  func make(_ name: Name, _ cpu: borrowing CPU) throws(MemoryError) -> Tag {
    try locked(cpu) { () throws(MemoryError) in try add(name) }
  }

  private func add(_ name: Name) throws(MemoryError) -> Tag {
    guard let tag = vacantTag else { throw .tagsExhausted(limit: Self.capacity) }
    let index = Int(tag.index)
    state.value.names[index].value = name
    beginUsage(of: tag)
    open(tag)
    shared(of: tag).value.holder.store(UInt32(tag.rawValue), ordering: .releasing)
    state.value.newest = index
    if index >= count { state.value.count.store(index &+ 1, ordering: .releasing) }
    return tag
  }

  /// The next handle of a number: one that has not been used, or, when all have, the one that was given
  /// longest ago.
  private var vacantTag: Tag? {
    for step in 1...Self.capacity {
      let holder = holder(of: (state.value.newest &+ step) % Self.capacity)
      if holder.isVacant { return holder.tag }
    }
    return nil
  }

  func holder(of index: Int) -> Holder {
    Holder(rawValue: state.value.shared[index].value.holder.load(ordering: .acquiring))
  }

  /// The tag that has a number.
  func tag(numbered index: Int) -> Tag? {
    guard index < Self.capacity, !holder(of: index).isVacant else { return nil }
    return holder(of: index).tag
  }

  func contains(_ tag: Tag) -> Bool { self.tag(numbered: Int(tag.index)) == tag }

  /// Every tag, in the order of their numbers. O(numbers).
  func forEach(_ body: (Tag) -> Void) {
    for index in 0..<count {
      if let tag = tag(numbered: index) { body(tag) }
    }
  }

  func writeName(of tag: Tag, to sink: inout some TextSink) {
    state.value.names[Int(tag.index)].value.write(to: &sink)
  }

  @inline(__always)
  func charges(of tag: Tag, _ cpu: Int) -> Stable<Charges> {
    state.value.cpus.perCPU(cpu).charges[Int(tag.index)]
  }

  /// The record at index -1, which an owner byte of zero leads to.
  private func nobody(_ cpu: Int) -> Stable<Charges> { charges(of: .untagged, cpu)[-1] }

  func shared(of tag: Tag) -> Stable<Shared> { state.value.shared[Int(tag.index)] }
}

// MARK: - Charging

extension Tags {
  @inline(__always)
  func local(_ tag: Tag, _ cpu: borrowing CPU) -> Stable<Charges> { cpu.perCPU.charges[Int(tag.index)] }

  /// Charges an object or an area that is about to be handed out, where this CPU's allowance covers it. It is
  /// counted before the pass is read, so that whoever sets a quota meanwhile finds it in the sum.
  /// - Returns: false, with nothing charged, where the allowance has run out, the tag has a quota, or there
  ///   is no such tag: `charge(asking:)` says more.
  @inline(__always)
  func charge(_ kind: Kind, _ tag: Tag, _ bytes: UInt64, _ cpu: borrowing CPU) -> Bool {
    let local = local(tag, cpu)
    local.count(kind, bytes)
    let allowance = local.value.allowance.load(ordering: .relaxed)
    guard allowance <= Self.largestAllowance, allowance >= bytes,
      local.value.pass.load(ordering: .relaxed) == tag.rawValue
    else {
      local.uncount(kind, bytes)
      return false
    }
    local.value.allowance.store(allowance &- bytes, ordering: .relaxed)
    return true
  }

  /// Charges an object or an area; where the allowance does not cover it, asks the quota, and says whether a
  /// peak is due.
  @inline(__always)
  func charge(asking kind: Kind, _ tag: Tag, _ bytes: UInt64, _ cpu: borrowing CPU) -> ChargeOutcome {
    charge(kind, tag, bytes, cpu) ? .paid : ask(kind, tag, bytes, cpu)
  }

  @inline(never)
  private func ask(_ kind: Kind, _ tag: Tag, _ bytes: UInt64, _ cpu: borrowing CPU) -> ChargeOutcome {
    let local = local(tag, cpu)
    local.count(kind, bytes)
    if local.value.pass.load(ordering: .relaxed) != tag.rawValue {
      if let refusal = spend(kind, tag, bytes, cpu) { return refusal }
    }
    let allowance = min(local.value.allowance.load(ordering: .relaxed), Self.largestAllowance)
    guard allowance < bytes else {
      local.value.allowance.store(allowance &- bytes, ordering: .relaxed)
      return .paid
    }
    return .peakIsDue
  }

  /// Samples the peak where that is due, when what was charged has been allocated. O(CPUs) then.
  @inline(__always)
  func finish(_ outcome: ChargeOutcome, _ tag: Tag, _ cpu: borrowing CPU) {
    if outcome == .peakIsDue { samplePeak(tag, cpu) }
  }

  /// Takes back a charge for what could not be allocated then, on the same CPU. It becomes no credit: a sum
  /// that others take meanwhile would miss it.
  func uncharge(_ kind: Kind, _ tag: Tag, _ bytes: UInt64, _ cpu: borrowing CPU) {
    local(tag, cpu).uncount(kind, bytes)
  }

  /// Counts what was freed, which is credit first where the tag has a quota.
  @inline(__always)
  func discharge(_ kind: Kind, _ tag: Tag, _ bytes: UInt64, _ cpu: borrowing CPU) {
    discharge(kind, local(tag, cpu), bytes)
  }

  @inline(__always)
  func discharge(_ kind: Kind, _ local: Stable<Charges>, _ bytes: UInt64) {
    if !local.value.isUnlimited { earn(kind, local, bytes) }
    local.discharge(kind, bytes)
  }

  /// Whether a tag that there is has no quota.
  @inline(__always)
  func isUnlimited(_ tag: Tag, _ cpu: borrowing CPU) -> Bool {
    local(tag, cpu).value.isUnlimited
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
