internal import CMachine
internal import Synchronization

// Slab: kmalloc
//
// Memory in the linear map, at a constant distance from its frames. Small objects are cut from slabs, blocks
// of one to eight frames, each of one size; larger ones are whole blocks. Three layers:
//
//     magazine   this CPU's free objects of one cache, a stack of their addresses: kmalloc pops and kfree
//                pushes with interrupts off and no lock (Slab+Magazines). `allocateSlow` refills an empty
//                magazine and pops, `freeSlow` pushes and drains a full one
//     cache      one size, or one named kind: the list of its slabs that have a free object, under a lock
//     slab       its free objects, a chain through their own memory; the metadata of its first frame has the
//                count of those that are out, and where the chain begins
//
// An address leads to its object in O(1): the frame's metadata names the cache; the offset in the slab, times
// a reciprocal of the size, is the object's number; a remainder means that the address is inside an object.
// At the end of the slab each object has a byte: zero where it is free, else one more than the number of the
// tag that is charged. The compare-and-swap that makes it zero decides whether a free is right, even when two
// CPUs race.
//
// An object freed on another CPU than it came from goes to that CPU's magazine, and from there back to its
// slab. A magazine that is empty takes half of what it may hold from the slabs; one that is full returns
// half. A slab of which nothing is out goes back to the frames, but for one a cache.
//
// A free looks at the slab before it knows that the object is live: a second free of an object may do so
// while the first one's slab goes back, and its compare-and-swap must not find somebody else's memory. So,
// where there are other CPUs, a slab's frames wait in the open batch of `Quarantine`, all of their bytes
// zero: until every CPU has passed a flush that was requested after the slab was taken down, which it does
// outside the package only, and has so left what it was at.
//
// Invariants, checked by `validate()`:
//   - an object is in exactly one of: its slab's chain, one magazine, somebody's hands;
//   - its byte is not zero exactly where it is in somebody's hands;
//   - a slab is on that list of its cache which says how much of it is out: nothing, some, all.

@safe
struct Slab {
  /// Caches: 36 of the size classes, and 92 named ones. The number fits a byte of a frame's state, and each
  /// CPU has a magazine of 64 bytes, and its slots, for each.
  static let capacity = 128
  /// The bytes of the largest block: the largest of the buddy lists with 4 KiB frames (`Zone.maxOrder`).
  static let largest: UInt = 4 &<< 20
  /// The bytes of the largest block of the hot path.
  static let largestFast: UInt = 64 &<< 10

  /// The number of a block's size among those of the hot path: 4 KiB, 8 KiB and so on.
  @inline(__always)
  static func blockSize(_ byteCount: UInt) -> Int {
    Int(bitPattern: UInt(bitPattern: UInt.bitWidth &- 12 &- (byteCount &- 1).leadingZeroBitCount))
  }

  /// In place of an address: the tag's quota refuses the object.
  static let overQuota: UInt = 1

  /// Known at start, and never changed.
  struct State {
    let frames: Frames
    let table: FrameTable
    let tags: Tags
    let quarantine: Quarantine
    let caches: Stable<CacheBlock>
    let locks: Stable<SpinLock>
    /// The generation of each cache number.
    let generations: Stable<Atomic<UInt32>>
    let reports: Stable<SlabReports>
    let reportsLock: Stable<SpinLock>
    /// The linear map's address of physical address zero.
    let base: UInt
    let hardening: SlabHardening
  }

  private let state: Stable<State>

  init(
    _ frames: Frames, _ tags: Tags, _ quarantine: Quarantine, base: UInt, _ hardening: SlabHardening,
    carving memory: inout some Carver & ~Copyable
  ) throws(MemoryError) {
    assert(Self.slotCount == Self.firstSlot(Self.capacity), "the slots of magazines are counted wrong")
    state = try memory.carve(1)
    unsafe state.pointer.initialize(
      to: State(
        frames: frames, table: frames.table, tags: tags, quarantine: quarantine,
        caches: try memory.carve(Self.capacity), locks: try memory.carve(Self.capacity),
        generations: try memory.carve(Self.capacity), reports: try memory.carve(1),
        reportsLock: try memory.carve(1), base: base, hardening: hardening))
    for number in 0..<Self.capacity {
      let layout =
        number < SizeClass.count
        ? SlabLayout(class: number, frames.table.pageSize, padding: hardening.padding) : SlabLayout()
      setUp(number, CacheBlock(layout, hardening))
    }
  }

  @inline(__always) var frames: Frames { state.value.frames }
  @inline(__always) var table: FrameTable { state.value.table }
  @inline(__always) var tags: Tags { state.value.tags }
  var quarantine: Quarantine { state.value.quarantine }
  @inline(__always) var caches: Stable<CacheBlock> { state.value.caches }
  var locks: Stable<SpinLock> { state.value.locks }
  var generations: Stable<Atomic<UInt32>> { state.value.generations }
  var reports: Stable<SlabReports> { state.value.reports }
  var reportsLock: Stable<SpinLock> { state.value.reportsLock }
  @inline(__always) var base: UInt { state.value.base }
  var hardening: SlabHardening { state.value.hardening }
  var cpus: CPUs { frames.cpus }
  var pageShift: UInt { UInt(table.pageSize.shift) }

  @inline(__always)
  func magazine(_ cpu: Int, _ cache: Int) -> Stable<Magazine> { cpus.perCPU(cpu).magazines[cache] }

  @inline(__always)
  func withLock<Result: ~Copyable>(
    _ cache: Int, _ cpu: borrowing CPU, _ body: (Stable<CacheBlock>) -> Result
  ) -> Result {
    locks[cache].value.with(.slab, cpu) { body(caches[cache]) }
  }
}

extension Slab {
  /// A CPU's magazines, by cache number.
  @inline(__always)
  static var place: PerCPUPlace<Magazine> { PerCPUPlace(behind: blocks.end, count: capacity) }
  /// The fast lists that a CPU's blocks of 4 KiB, 8 KiB and so on come from.
  @inline(__always)
  static var blocks: PerCPUPlace<Stable<FrameCache>> {
    PerCPUPlace(behind: Quarantine.suspended.end, count: FrameCache.largestFast &+ 1)
  }
  /// The slots of a CPU's magazines.
  @inline(__always)
  static var slots: PerCPUPlace<Magazine.Slot> {
    PerCPUPlace(behind: place.end, count: slotCount)
  }
  /// `firstSlot(capacity)`, which is a loop: what lies behind is found without one.
  private static var slotCount: Int { 5375 }
}

extension Stable<PerCPU> {
  @inline(__always)
  var magazines: Stable<Magazine> { records(Slab.place) }
  @inline(__always)
  var blockLists: Stable<Stable<FrameCache>> { records(Slab.blocks) }
}

// MARK: - Where things are

extension Slab {
  /// The link of a free object.
  @inline(__always)
  func next(after object: UInt, _ cache: Stable<CacheBlock>) -> UInt {
    let place = object &+ cache.value.linkOffset
    let word = Stable<UInt>(bitPattern: place).value
    return cache.value.hidesLinks ? cache.value.key.reveal(word, at: place) : word
  }

  @inline(__always)
  func setNext(_ next: UInt, after object: UInt, _ cache: Stable<CacheBlock>) {
    let place = object &+ cache.value.linkOffset
    Stable<UInt>(bitPattern: place).value =
      cache.value.hidesLinks ? cache.value.key.hide(next, at: place) : next
  }

  /// The byte that says who owns an object.
  func owner(of object: UInt, _ cache: Stable<CacheBlock>) -> Stable<Atomic<UInt8>> {
    cache.value.layout.grid.owner(of: object)
  }

  /// The first frame of the slab that has an object.
  @inline(__always)
  func slab(of object: UInt, _ cache: Stable<CacheBlock>) -> UInt32 {
    UInt32(truncatingIfNeeded: ((object &- base) & ~cache.value.layout.mask) &>> pageShift)
  }

  func address(of frame: UInt32) -> UInt { base &+ UInt(frame) &<< pageShift }
}

// MARK: - Sizes

extension Slab {
  @inline(__always)
  var isChecked: Bool {
    if case .checked = hardening { return true }
    return false
  }

  /// The size whose class has the alignment, and in checked mode room for the note of the size: there, too,
  /// powers of two are aligned to themselves.
  func rounded(_ byteCount: UInt, alignment: UInt) -> UInt {
    let isPowerOfTwo = byteCount & (byteCount &- 1) == 0
    let multiple = isChecked && isPowerOfTwo ? max(alignment, byteCount) : alignment
    let rounded = (byteCount &+ hardening.padding &+ multiple &- 1) & ~(multiple &- 1)
    guard rounded > SizeClass.largest else { return rounded }
    // A block of frames has no note; but what only the note keeps out of the largest class is no object of
    // it.
    return max((byteCount &+ alignment &- 1) & ~(alignment &- 1), SizeClass.largest &+ 1)
  }

  /// log2 of the frames that hold so many bytes, from 1 up.
  @inline(__always)
  func order(_ byteCount: UInt) -> Int {
    UInt.bitWidth &- ((byteCount &- 1) &>> pageShift).leadingZeroBitCount
  }
}

// MARK: - Handing out

extension Slab {
  /// Memory for `byteCount` bytes, of which `asked` were asked for, from an object of the size's class or a
  /// block of its order; zero where there is none, `overQuota` where the quota refuses it. O(orders + batch).
  func allocateSlow(_ byteCount: UInt, asked: UInt, tag: Tag, _ cpu: borrowing CPU) -> UInt {
    if byteCount <= SizeClass.largest {
      let object = allocateSlow(SizeClass.index(of: byteCount), asked: asked, tag: tag, cpu)
      if object != 0 { return object }
    }
    return allocateBlockSlow(byteCount, .normal, tag: tag, cpu)
  }

  /// An object of a cache; zero where there is none, `overQuota` where the quota refuses it. O(batch).
  func allocateSlow(_ number: Int, asked: UInt, tag: Tag, _ cpu: borrowing CPU) -> UInt {
    let magazine = cpu.perCPU.magazines[number]
    let bytes = UInt64(caches[number].value.layout.stride)
    let outcome = tags.charge(asking: .objects, tag, bytes, cpu)
    guard !outcome.isRefused else { return Self.overQuota }
    var object: UInt = 0
    while object == 0 {
      guard magazine.value.count != 0 || refill(number, cpu) else {
        tags.uncharge(.objects, tag, bytes, cpu)
        return 0
      }
      object = isChecked ? popChecked(number, asked, tag, cpu) : pop(magazine, tag)
    }
    tags.finish(outcome, tag, cpu)
    return object
  }

  /// A block of frames from `zone` or a lower one; zero where there is none, `overQuota` where the quota
  /// refuses it.
  func allocateBlockSlow(_ byteCount: UInt, _ zone: ZoneKind, tag: Tag, _ cpu: borrowing CPU) -> UInt {
    let order = order(byteCount)
    let bytes = UInt64(1) &<< UInt64(UInt(order) &+ pageShift)
    let outcome = tags.charge(asking: .objects, tag, bytes, cpu)
    guard !outcome.isRefused else { return Self.overQuota }
    let note = UInt32(truncatingIfNeeded: tag.rawValue)
    guard let block = frames.pop(order: order, zone, as: .large, note: note, cpu) else {
      tags.uncharge(.objects, tag, bytes, cpu)
      return 0
    }
    tags.finish(outcome, tag, cpu)
    return address(of: block)
  }
}

// MARK: - What cannot be freed

extension Slab {
  /// Why an address could not be freed.
  /// - Parameters:
  ///   - address: of no live object or block; or of one that is charged to another tag.
  ///   - only: the tag that must be charged; nil for any.
  @inline(never)
  func problem(freeing address: UInt, only tag: Tag? = nil) -> BadFree {
    let offset = address &- base
    guard let metadata = table.metadata(of: FrameNumber(UInt64(offset &>> pageShift))) else {
      return .foreign
    }
    // What lives there by now is another's, or has been handed out since.
    let live: BadFree = tag == nil ? .alreadyFree : .foreign
    let state = metadata.value.state
    if state.kind == .slab { return problem(inside: address, caches[state.cache], live) }
    let frame = UInt32(truncatingIfNeeded: offset &>> pageShift)
    let head = frames.head(around: frame)
    switch table[head].value.state.kind {
    case .large:
      return head == frame && offset & UInt(table.pageSize.offsetMask) == 0 ? live : .interior
    case .free, .idle, .retired: return .alreadyFree
    default: return .foreign
    }
  }

  private func problem(
    inside address: UInt, _ cache: Stable<CacheBlock>, _ live: BadFree
  ) -> BadFree {
    let grid = cache.value.layout.grid
    let (index, isFirst) = grid.object(at: address)
    guard index < UInt(cache.value.layout.capacity) else { return .foreign }
    guard grid.owner(index, address).value.load(ordering: .relaxed) != 0 else { return .alreadyFree }
    return isFirst ? live : .interior
  }
}
