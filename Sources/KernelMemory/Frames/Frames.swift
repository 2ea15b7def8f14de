internal import CMachine
internal import Synchronization

// Frames: who owns which page frame
//
// Two layers. The zones keep free memory in buddy blocks: O(orders) a block, no fragmentation that
// freeing does not undo. In front of them each CPU keeps short lists of blocks for each zone, because most
// requests are for single frames, or for one of few sizes: a request pops from a list, and only every
// `batch`th goes to the zone (`Frames+Lists`). Areas take their frames in blocks (`Frames+Areas`).
//
// Invariants, checked by `validate()`:
//   - every managed frame is in exactly one of: a free block, one CPU's list, somebody's hands;
//   - only the first frame of a block has a state other than `tail`;
//   - managed = free + cached + used, zone by zone.
//
// The caller of a free names the frame and the order; the metadata knows both, so a second free, a foreign
// frame and a wrong order are refused before anything is written.

/// The page frames of a machine.
@safe
struct Frames {
  struct State: ~Copyable {
    let table: FrameTable
    let cpus: CPUs
    /// One for each zone.
    let locks: Stable<SpinLock>
    /// Frames of RAM that the linear map or the metadata cannot reach.
    var refused: UInt64 = 0
    /// The highest zone that has memory.
    var fastZone = 0
  }

  let state: Stable<State>

  /// Bytes of the state and of the zones behind it.
  static var byteCount: Int {
    MemoryLayout<State>.stride &+ ZoneKind.count &* MemoryLayout<Zone>.stride
  }

  /// What a CPU has besides its lists.
  struct PerCPU {
    /// The fast lists, by order.
    var fastLists: InlineArray<5, Stable<FrameCache>>
    /// A copy, so that it is near.
    var table: FrameTable
    /// The frame of which `clearAhead` has cleared a part, and how many words that is; zero for none.
    var clearing: UInt32
    var clearedWords: Int
  }

  @inline(__always)
  static var place: PerCPUPlace<PerCPU> { PerCPUPlace(behind: Tags.place.end) }
  /// The lists of a CPU: in each zone one of every order, and one of frames that are all zero.
  @inline(__always)
  static var lists: PerCPUPlace<FrameCache> {
    PerCPUPlace(behind: place.end, count: ZoneKind.count &* listsOfZone)
  }
  @inline(__always)
  static var listsOfZone: Int { Zone.maxOrder &+ 2 }

  init(
    _ table: FrameTable, _ cpus: CPUs, carving memory: inout some Carver & ~Copyable
  ) throws(MemoryError) {
    let bytes: Stable<UInt8> = try memory.carve(Self.byteCount)
    state = Stable(bitPattern: bytes.address)
    unsafe state.pointer.initialize(
      to: State(table: table, cpus: cpus, locks: try memory.carve(ZoneKind.count)))
    for cpu in 0..<cpus.count {
      cpus.perCPU(cpu).frames.value.table = table
      for zone in 0..<ZoneKind.count { makeLists(cpu, zone) }
    }
  }

  private func makeLists(_ cpu: Int, _ zone: Int) {
    for order in 0...Zone.maxOrder {
      unsafe list(cpu, zone, order).pointer.initialize(
        to: FrameCache(order: order, zone: zone, limit: FrameCache.limit(order), table.pageSize))
    }
    unsafe cleared(cpu, zone).pointer.initialize(
      to: FrameCache(order: 0, zone: zone, limit: FrameCache.clearedLimit, table.pageSize))
  }

  var table: FrameTable { state.value.table }
  var cpus: CPUs { state.value.cpus }

  /// The buddy lists of a zone, behind the state: no load away, and no stored array of atomics, whose setter
  /// stops the compiler in debug builds for bare metal.
  @inline(__always)
  func buddyLists(_ zone: Int) -> Stable<Zone> {
    Stable<Zone>(bitPattern: state.address &+ UInt(MemoryLayout<State>.stride))[zone]
  }

  /// Works on the buddy lists of a zone, alone.
  @inline(__always)
  func withZone<Result: ~Copyable>(
    _ zone: Int, _ cpu: borrowing CPU, _ body: (inout Zone) -> Result
  ) -> Result {
    state.value.locks[zone].value.with(.zone, cpu) { body(&buddyLists(zone).value) }
  }

  /// Whether the buddy lists of a zone had a block a moment ago.
  func hasFree(_ zone: Int) -> Bool { buddyLists(zone).value.free > 0 }

  /// A CPU's list of a zone's frames that are all zero.
  func cleared(_ cpu: Int, _ zone: Int) -> Stable<FrameCache> {
    list(cpu, zone, Zone.maxOrder &+ 1)
  }
}

extension Stable<PerCPU> {
  @inline(__always)
  var frames: Stable<Frames.PerCPU> { records(Frames.place) }
}

// MARK: - One block

extension Frames {
  /// Allocates 2^`order` contiguous frames, aligned to their number, from `zone` or a lower one. O(orders).
  /// - Throws: `framesExhausted`.
  func allocate(order: Int, _ zone: ZoneKind, _ cpu: borrowing CPU) throws(MemoryError) -> FrameNumber {
    guard (0...Zone.maxOrder).contains(order), let frame = pop(order: order, zone, as: .allocated, cpu) else {
      throw .framesExhausted(got: .zero, of: PageCount(1 << UInt64(truncatingIfNeeded: max(order, 0))))
    }
    return FrameNumber(UInt64(frame))
  }

  /// Frees what `allocate(order:_:_:)` returned. O(orders).
  /// - Throws: `badFree`, with nothing changed, where `frame` does not head an allocated block of `order`.
  func free(_ frame: FrameNumber, order: Int, _ cpu: borrowing CPU) throws(MemoryError) {
    if let problem = problem(freeing: frame, order: order) { throw .badFree(problem) }
    let number = UInt32(frame.rawValue)
    let zone = table[number].value.state.zone
    let allocated = FrameState(.allocated, order: order, zone: zone)
    guard free(number, from: allocated, cpu) else { throw .badFree(.alreadyFree) }
  }

  /// Frees a block, which was in `state`. O(orders + batch).
  /// - Returns: false, with nothing changed, where that is no longer its state.
  func free(_ block: UInt32, from state: FrameState, _ cpu: borrowing CPU) -> Bool {
    let list = list(state.zone, state.order, cpu)
    guard push(block, table[block], from: state, onto: list) else { return false }
    drainOverfull(list, order: state.order, state.zone, cpu)
    return true
  }

  private func problem(freeing frame: FrameNumber, order: Int) -> BadFree? {
    guard (0...Zone.maxOrder).contains(order), frame.isAligned(toOrder: order) else { return .unaligned }
    guard let state = table.metadata(of: frame)?.value.state else { return .foreign }
    return switch state.kind {
    case .allocated: state.order == order ? nil : .wrongOrder
    case .free, .idle, .retired: .alreadyFree
    case .tail:
      switch table[head(around: UInt32(frame.rawValue))].value.state.kind {
      case .free, .idle, .retired: .alreadyFree
      case .allocated: .interior
      default: .foreign
      }
    case .unmanaged, .mapped, .table, .metadata, .slab, .large: .foreign
    }
  }

  /// The first frame of the block that has `frame` inside: its number, with its low bits cleared one by
  /// one, leads to the block's head before it leads out of the block. O(orders).
  func head(around frame: UInt32) -> UInt32 {
    let lowest = frame & ~((1 &<< UInt32(Zone.maxOrder)) &- 1)
    var head = frame
    // Others may change blocks meanwhile, so that none is found: that does not lead out of the section.
    while table[head].value.state.kind == .tail, head != lowest { head &= head &- 1 }
    return head
  }
}

// MARK: - Many single frames

extension Frames {
  /// Up to `count` single frames of a zone, from the largest blocks that are not too large: frames of one
  /// block are neighbours, and one visit to the lists yields many.
  func popFrames(_ count: Int, _ zone: Int, into list: inout FrameList, _ cpu: borrowing CPU) {
    withZone(zone, cpu) { popFrames(count, zone, from: &$0, into: &list) }
  }

  private func popFrames(_ count: Int, _ zone: Int, from lists: inout Zone, into list: inout FrameList) {
    var missing = count
    while missing > 0 {
      var order = min(Zone.maxOrder, Int.bitWidth - 1 - missing.leadingZeroBitCount)
      var block = lists.take(order: order, zone: zone, table)
      while block == nil && order > 0 {
        order &-= 1
        block = lists.take(order: order, zone: zone, table)
      }
      guard let block else { return }
      list.prepend(chain(block, count: 1 &<< order, zone), table)
      missing &-= 1 &<< order
    }
  }

  /// The frames of a block as a list, in ascending order. The metadata of a block's frames are neighbours.
  private func chain(_ block: UInt32, count: Int, _ zone: Int) -> FrameList {
    let metadata = table[block]
    let idle = FrameState(.idle, zone: zone)
    var next = block
    for step in 0..<count {
      next &+= 1
      metadata[step].value.setState(idle)
      metadata[step].value.setNext(next)
    }
    return FrameList(head: block, last: next &- 1, count: count)
  }

  /// Allocates `count` single frames, wherever they lie, from `zone` and lower ones. O(count).
  /// - Throws: `framesExhausted` with how many there were, and none taken.
  func allocate(count: Int, _ zone: ZoneKind, _ cpu: borrowing CPU) throws(MemoryError) -> FrameList {
    var list = FrameList()
    for zone in (0...Int(zone.rawValue)).reversed() where list.count < count {
      takeCached(count &- list.count, zone, into: &list, cpu)
      if list.count < count && hasFree(zone) { popFrames(count &- list.count, zone, into: &list, cpu) }
    }
    guard list.count == count else {
      let got = PageCount(UInt64(list.count))
      free(list, cpu)
      throw .framesExhausted(got: got, of: PageCount(UInt64(count)))
    }
    return list
  }

  /// Frames from this CPU's list; fewer than a batch are worth a refill, more come from the zone directly.
  private func takeCached(_ count: Int, _ zone: Int, into list: inout FrameList, _ cpu: borrowing CPU) {
    let cache = self.list(zone, 0, cpu)
    if cache.value.head == 0 && count < FrameCache.batch { refill(cache, order: 0, zone, cpu) }
    list.prepend(cache.value.pop(atMost: count, table), table)
  }

  /// Frees every frame of a list. O(count).
  func free(_ list: consuming FrameList, _ cpu: borrowing CPU) {
    free(&list, limit: .max, cpu)
    list.end()
  }

  /// Frees up to `limit` frames of a list. O(frames).
  /// - Returns: how many.
  @discardableResult
  func free(_ list: inout FrameList, limit: Int, _ cpu: borrowing CPU) -> Int {
    let table = table
    return list.drain(limit: limit, table) { frame in
      push(frame, order: 0, table[frame].value.state.zone, table, cpu)
    }
  }

  /// Hands a frame of a list out to a caller, who frees it by its number.
  func handOut(from list: inout FrameList) -> FrameNumber? {
    guard let frame = list.pop(table) else { return nil }
    table[frame].value.setState(table[frame].value.state.becoming(.allocated))
    return FrameNumber(UInt64(frame))
  }
}

// MARK: - Usage

extension Frames {
  /// Usage of one zone, in frames; without a lock, so that an NMI may ask. O(CPUs).
  func usage(of kind: ZoneKind) -> ZoneUsage {
    let index = Int(kind.rawValue)
    var cached = 0
    for cpu in 0..<cpus.count { cached &+= self.cached(cpu, index) }
    cmachine_step(cmachine_step_sum_begun)
    let lists = buddyLists(index)
    return ZoneUsage(
      managed: PageCount(lists.value.managed), free: PageCount(lists.value.free),
      cached: PageCount(UInt64(cached)), largestFreeOrder: lists.value.largestFreeOrder)
  }

  /// All frames that this package manages.
  var managed: PageCount { managed(in: .normal) }

  /// Frames managed in a zone and below it: the most that a request for that zone can get.
  func managed(in kind: ZoneKind) -> PageCount {
    // No loop over a range: its index alone costs more than the sum.
    var (sum, zone) = (UInt64(0), Int(kind.rawValue))
    while zone >= 0 {
      sum &+= buddyLists(zone).value.managed
      zone &-= 1
    }
    return PageCount(sum)
  }

  /// Frames handed out, the package's own metadata included.
  var used: PageCount {
    PageCount(
      usage(of: .dma).used.rawValue &+ usage(of: .dma32).used.rawValue &+ usage(of: .normal).used.rawValue)
  }

  /// Usable RAM that was refused at start: the linear map does not reach it, or its frame number takes more
  /// than 31 bits.
  var refused: PageCount { PageCount(state.value.refused) }

  /// Frames that hold descriptors of areas, which grow with their peak and stay, and their index.
  var ownMetadata: PageCount {
    let counters = cpus.snapshot
    return PageCount(counters[.metadataFramesTaken].less(counters[.metadataFramesReturned]))
  }
}
