internal import Synchronization

// The metadata of a page frame
//
// Sixteen bytes a frame, in two words. The first says what the frame is: the second is a union that this
// decides.
//
//     state   63       48 47       32 31           16 15    12 11   8 7      0
//            | slot      | count     | order, quarantined | flags  | zone | kind   |
//
//     link    as `free`:     next and previous block of the zone's list of this order
//             as `idle`, `retired`: next frame of the list that it is on; the upper half is unused
//             as `mapped`:   the area that maps it, and which of the area's pages: the reverse mapping, also
//                            for the frames of its block, which are `tail`
//             as `table`:    the table above it; and the next of a list of emptied or quarantined tables
//             as `slab`:     next and previous slab of its cache that has a free object
//             as `large`:    who is charged; the upper half is unused
//
// Every frame of a slab is a `slab`, so that an address leads to the slab's first frame by clearing bits;
// that frame's upper byte of `order` is the number of its cache, its count the objects that are out of the
// slab, and its slot one more than the index of the first that is not.
//
// Links are 32-bit frame numbers, zero for none: frame zero is never managed, and RAM whose frame numbers
// take more than 31 bits is refused at start (and reported), since the index of areas keeps frame numbers in
// 31 bits.
//
// Both words are atomics because CPUs read the state of frames that others own (a buddy's, a table's);
// accesses are relaxed, which compiles to plain loads and stores that neither tear nor merge.

/// What a frame is in use for. Zero, the value of fresh metadata, is a frame that is not ours.
@frozen @usableFromInline
enum FrameKind: UInt8 {
  /// A hole, or memory that was in use at boot.
  case unmanaged
  /// Heads a block in a buddy list.
  case free
  /// Inside a block that a lower frame heads.
  case tail
  /// On a list: a CPU's cache, or a reservation.
  case idle
  /// Heads a block that a caller holds.
  case allocated
  /// Heads a block that one area maps.
  case mapped
  /// A page table.
  case table
  /// The package's own: metadata, descriptors, index nodes.
  case metadata
  /// Part of a block that is divided into objects of one size.
  case slab
  /// Heads a block that kmalloc has handed out whole.
  case large
  /// Heads a block that an area mapped, and that may still be translated: behind a flush.
  case retired
}

@frozen @usableFromInline
struct FrameState: Equatable {
  var rawValue: UInt64

  init(rawValue: UInt64) { self.rawValue = rawValue }

  init(_ kind: FrameKind, order: Int = 0, zone: Int) {
    rawValue =
      UInt64(kind.rawValue) | UInt64(truncatingIfNeeded: zone) &<< 8
      | UInt64(truncatingIfNeeded: order) &<< 16
  }

  var kind: FrameKind { FrameKind(rawValue: UInt8(truncatingIfNeeded: rawValue)) ?? .unmanaged }
  var zone: Int { Int(truncatingIfNeeded: rawValue &>> 8 & 0xf) }
  var order: Int { Int(UInt8(truncatingIfNeeded: rawValue &>> 16)) }
  /// Table: quarantined tables below it.
  var quarantined: Int { Int(UInt16(truncatingIfNeeded: rawValue &>> 16)) }
  /// Table: its pins, which keep it in use: tables below it, leaves of borrowed frames, and areas with a
  /// page in it. Index node: slots that are taken.
  var count: Int { Int(UInt16(truncatingIfNeeded: rawValue &>> 32)) }
  /// Table: which entry of the table above names it.
  var slot: Int { Int(UInt16(truncatingIfNeeded: rawValue &>> 48)) }

  /// Table: on a list of emptied or of quarantined tables.
  var isListed: Bool { rawValue & 1 &<< 12 != 0 }

  func listed(_ listed: Bool) -> FrameState {
    FrameState(rawValue: listed ? rawValue | 1 &<< 12 : rawValue & ~(1 &<< 12))
  }

  /// Compares the kind's byte: cheaper than `kind`, which checks that the byte is a kind.
  @inline(__always)
  func isOf(_ kind: FrameKind) -> Bool { UInt8(truncatingIfNeeded: rawValue) == kind.rawValue }

  /// Slab: the number of its cache.
  var cache: Int { Int(UInt8(truncatingIfNeeded: rawValue &>> 24)) }

  init(slabOf cache: Int, order: Int, zone: Int) {
    self.init(.slab, order: order, zone: zone)
    rawValue |= UInt64(truncatingIfNeeded: cache) &<< 24
  }

  /// The same slab with `count` objects out, and `slot` one more than the first that is not.
  func counting(_ count: Int, slot: Int) -> FrameState {
    FrameState(
      rawValue: rawValue & 0xffff_ffff | UInt64(truncatingIfNeeded: count) &<< 32
        | UInt64(truncatingIfNeeded: slot) &<< 48)
  }

  /// The same frame as another kind, alone and with nothing counted.
  func becoming(_ kind: FrameKind, order: Int = 0, slot: Int = 0) -> FrameState {
    FrameState(
      rawValue: FrameState(kind, order: order, zone: zone).rawValue
        | UInt64(truncatingIfNeeded: slot) &<< 48)
  }

  /// The same frame, which is of kind `old`, as another kind.
  @inline(__always)
  func changing(from old: FrameKind, to new: FrameKind) -> FrameState {
    FrameState(rawValue: rawValue ^ UInt64(old.rawValue ^ new.rawValue))
  }

  func adding(count: Int, quarantined: Int = 0) -> FrameState {
    FrameState(
      rawValue: rawValue &+ UInt64(bitPattern: Int64(count)) &<< 32
        &+ UInt64(bitPattern: Int64(quarantined)) &<< 16)
  }
}

@usableFromInline
struct FrameMetadata: ~Copyable {
  private let stateWord: Atomic<UInt64>
  private let nextWord: Atomic<UInt32>
  private let previousWord: Atomic<UInt32>

  @inline(__always)
  var state: FrameState {
    FrameState(rawValue: stateWord.load(ordering: .relaxed))
  }

  @inline(__always)
  borrowing func setState(_ state: FrameState) {
    stateWord.store(state.rawValue, ordering: .relaxed)
  }

  /// Of several that try with the same old state, one succeeds.
  @inline(__always)
  borrowing func move(from old: FrameState, to new: FrameState) -> Bool {
    updating(.end) {
      stateWord.compareExchange(
        expected: old.rawValue, desired: new.rawValue, ordering: .acquiringAndReleasing
      ).exchanged
    }
  }

  /// The list's next frame; zero for none.
  @inline(__always)
  var next: UInt32 { nextWord.load(ordering: .relaxed) }

  /// The list's previous frame; zero for none.
  @inline(__always)
  var previous: UInt32 { previousWord.load(ordering: .relaxed) }

  @inline(__always)
  borrowing func setNext(_ next: UInt32) { nextWord.store(next, ordering: .relaxed) }

  @inline(__always)
  borrowing func setPrevious(_ previous: UInt32) { previousWord.store(previous, ordering: .relaxed) }

  /// The area that maps this frame, and which of its pages. Of a frame that is `mapped`.
  var mapper: (area: UInt32, page: UInt32) { (next, previous) }

  /// Makes the frame the head of a block that an area maps, from a page on.
  @inline(__always)
  borrowing func map(order: Int, area: UInt32, page: UInt32) {
    setState(state.becoming(.mapped, order: order))
    setNext(area)
    setPrevious(page)
  }
}
