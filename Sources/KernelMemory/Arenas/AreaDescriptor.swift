internal import Synchronization

/// What a descriptor describes.
enum AreaState: UInt8 {
  /// Nothing: on the pool's list.
  case spare
  /// A hole: pages that nobody has.
  case hole
  /// An area that is being made.
  case preparing
  /// An area that a caller holds.
  case live
  /// An area whose caller has freed it: on its way back, behind a flush, or asleep after it.
  case retired
  /// The same, when it pins no page table any more.
  case unpinned
  /// An area whose caller has freed it, still mapped, in a warm cache.
  case cached
  /// An area that a caller holds, and whose frames are the caller's.
  case borrowing
  /// An area whose owner an NMI has dropped, and that the next purge frees.
  case dropped
  /// A live area while another size of it is noted: it is there for everybody, and cannot be freed.
  case resizing

  /// Whether somebody has it, or is about to: nothing that is flushed gives it back.
  var isHeld: Bool {
    switch self {
    case .preparing, .live, .borrowing, .dropped, .resizing: true
    case .spare, .hole, .retired, .unpinned, .cached: false
    }
  }

  /// Whether there is an area that pins the tables of its pages.
  var hasPins: Bool {
    switch self {
    case .spare, .hole, .unpinned: false
    case .preparing, .live, .retired, .cached, .borrowing, .dropped, .resizing: true
    }
  }

  /// Whether a caller has it.
  var isLive: Bool { self == .live || self == .borrowing || self == .resizing }
}

/// A piece of an address range: an area with the guard behind it, or a hole between areas. The pieces
/// of a range cover it without a gap and are linked in address order, so that a freed piece finds its
/// neighbours in O(1).
///
/// One cache line. Descriptors are numbered from 1 and live in type-stable memory: a stale number leads to a
/// descriptor of another generation, and the generation tells.
struct AreaDescriptor: ~Copyable {
  /// `AreaState` in bits 0 to 7, the generation above: it grows each time the descriptor comes to stand for
  /// another piece (`renew`), and each time its area is handed out again (`resume`).
  private let stateWord: Atomic<UInt64>
  private let firstWord: Atomic<UInt64>
  private let spanWord: Atomic<UInt64>
  private let byteCountWord: Atomic<UInt64>
  private let traitsWord: Atomic<UInt64>
  /// Neighbours in address order; zero for none. Under the lock of the areas.
  var before: UInt32
  var after: UInt32
  /// The link of the list that the state implies: holes of one size, a queue, a batch, what NMIs dropped, the
  /// pool.
  var next: UInt32
  /// In a hole: the previous link. In an area: its own number.
  var previous: UInt32
  private let detailWord: Atomic<UInt64>

  /// Of a freed area that waits for purge steps: the pages at its start whose entries are cleared; when all
  /// are, besides these the pages at its start whose tables it does not pin any more.
  @inline(__always)
  var progress: UInt64 {
    get { detailWord.load(ordering: .relaxed) }
    nonmutating set { detailWord.store(newValue, ordering: .relaxed) }
  }

  /// In any other area: the address of its first entry, if the area is small or has large leaves alone and
  /// its entries lie in one table; else zero. That table is pinned as long as there is the area.
  @inline(__always)
  var entryPointer: UInt {
    get { UInt(detailWord.load(ordering: .relaxed)) }
    nonmutating set { detailWord.store(UInt64(newValue), ordering: .relaxed) }
  }

  /// Of a hole: which holes are below it in the tree of its bin (`HoleBins`).
  var links: UInt64 {
    get { detailWord.load(ordering: .relaxed) }
    nonmutating set { detailWord.store(newValue, ordering: .relaxed) }
  }

  /// The number of an area.
  @inline(__always)
  var number: UInt32 { previous }

  /// The first page.
  var first: UInt64 {
    get { firstWord.load(ordering: .relaxed) }
    nonmutating set { firstWord.store(newValue, ordering: .relaxed) }
  }

  /// Pages, guards included.
  var span: UInt64 {
    get { spanWord.load(ordering: .relaxed) }
    nonmutating set { spanWord.store(newValue, ordering: .relaxed) }
  }

  /// Bytes as the caller asked.
  var byteCount: UInt64 {
    get { byteCountWord.load(ordering: .relaxed) }
    nonmutating set { byteCountWord.store(newValue, ordering: .relaxed) }
  }

  /// In a cache, where nobody asks what its last caller asked for: the next area of the chain.
  @inline(__always)
  var nextCached: Stable<AreaDescriptor>? {
    get { unsafe unsafeBitCast(UInt(byteCount), to: Stable<AreaDescriptor>?.self) }
    nonmutating set { byteCount = UInt64(unsafe unsafeBitCast(newValue, to: UInt.self)) }
  }

  @inline(__always)
  var traits: AreaTraits {
    get { AreaTraits(rawValue: traitsWord.load(ordering: .relaxed)) }
    nonmutating set { traitsWord.store(newValue.rawValue, ordering: .relaxed) }
  }

  @inline(__always)
  var state: AreaState {
    AreaState(rawValue: UInt8(truncatingIfNeeded: stateWord.load(ordering: .acquiring))) ?? .spare
  }

  var generation: UInt64 { stateWord.load(ordering: .relaxed) &>> 8 }

  /// The generation of an area that a caller has, one another size of which is being noted included, and
  /// whether its frames are the caller's; nil in any other state. From one load, so that no change of state
  /// falls between two.
  var heldGeneration: (generation: UInt64, isBorrowed: Bool)? {
    let word = stateWord.load(ordering: .acquiring)
    switch AreaState(rawValue: UInt8(truncatingIfNeeded: word)) {
    case .live, .resizing: return (word &>> 8, false)
    case .borrowing: return (word &>> 8, true)
    default: return nil
    }
  }

  @inline(__always)
  func generation(in state: AreaState) -> UInt64? {
    let word = stateWord.load(ordering: .acquiring)
    return UInt8(truncatingIfNeeded: word) == state.rawValue ? word &>> 8 : nil
  }

  /// Begins another generation of this descriptor.
  borrowing func renew(as state: AreaState) {
    stateWord.store((generation &+ 1) &<< 8 | UInt64(state.rawValue), ordering: .relaxed)
  }

  /// Hands out an area that nobody else can change now, in another generation than the one that it was
  /// retired in. Its state is known, so one addition does it.
  @inline(__always)
  borrowing func resume(from old: AreaState, as new: AreaState) {
    let change = 0x100 &+ UInt64(new.rawValue) &- UInt64(old.rawValue)
    let word = stateWord.load(ordering: .relaxed) &+ change
    #if Ablations
    if Ablation.relaxedAreas.isOn { return stateWord.store(word, ordering: .relaxed) }
    #endif
    stateWord.store(word, ordering: .releasing)
  }

  borrowing func setState(_ state: AreaState) {
    stateWord.store(generation &<< 8 | UInt64(state.rawValue), ordering: .releasing)
  }

  /// Moves from one state to another; false where the descriptor is not in the first, or begins another
  /// generation. Of two callers that try the same move, one succeeds.
  borrowing func move(from old: AreaState, to new: AreaState, in generation: UInt64) -> Bool {
    #if Ablations
    let generation = Ablation.skipAreaGeneration.isOn ? self.generation : generation
    #endif
    let word = generation &<< 8
    let isMoved = updating(.end) {
      stateWord.compareExchange(
        expected: word | UInt64(old.rawValue), desired: word | UInt64(new.rawValue),
        ordering: .acquiringAndReleasing
      ).exchanged
    }
    // What the mover stores into the descriptor from here on must not be seen before the new state: a release
    // is of what comes before it alone.
    atomicMemoryFence(ordering: .releasing)
    return isMoved
  }

  /// Notes another size of a live area of `vmalloc`. The word that has it is a link of a cache's as soon as
  /// the area is freed; so it is written in a state that only the area's own generation leads to, and that no
  /// free leaves.
  /// - Returns: false where the generation is another.
  borrowing func resize(to byteCount: UInt64, in generation: UInt64) -> Bool {
    guard move(from: .live, to: .resizing, in: generation) else { return false }
    self.byteCount = byteCount
    setState(.live)
    return true
  }

  var end: UInt64 { first &+ span }
  /// Pages without the guard.
  var pageCount: UInt64 { span &- UInt64(traits.guardPages) }
  var pages: PageRange { PageRange(unchecked: PageNumber(first), count: PageCount(pageCount)) }
  var spanRange: PageRange { PageRange(unchecked: PageNumber(first), count: PageCount(span)) }
}
