internal import Synchronization

/// One CPU's free objects of one cache: a stack, so that what was freed last is handed out first. It repeats
/// what a pair needs of the cache, so that a pair reads one record. Nothing of it lies in the objects:
/// whoever writes to a free object does not change what is handed out next.
struct Magazine: ~Copyable {
  /// A free object, and where the byte is that says who owns it.
  struct Slot {
    /// Zero below the first object, and in checked mode, where only the slow path may take it.
    let object: UInt
    let owner: UInt

    init(_ object: UInt, owner: UInt) { (self.object, self.owner) = (object, owner) }

    /// An object that must be checked before it is handed out.
    init(checked object: UInt) { self.init(0, owner: object) }

    var address: UInt { object == 0 ? owner : object }
  }

  /// The address of the slot that was filled last. Written by the CPU that has the magazine, read by any.
  private let topWord: Atomic<UInt>
  /// The address of the last slot; in checked mode that of the first, so that a free takes the slow path.
  private let end: UInt
  /// The address below the first slot.
  private let bottom: UInt
  let grid: SlabGrid
  private let padding: InlineArray<2, UInt>

  /// An empty magazine of `cache`.
  init(_ cache: borrowing CacheBlock, slots: Stable<Slot>) {
    bottom = slots.address
    topWord = Atomic(slots.address)
    end = slots[cache.padding == 0 ? cache.limit : 0].address
    grid = cache.layout.grid
    padding = InlineArray(repeating: 0)
  }

  /// The capacity of a magazine: 16 KiB, so that a CPU's magazines hold little memory back; at least four
  /// objects, so that half of them is a batch; at most 128, which bounds the time that a drain has the lock.
  static func limit(_ stride: UInt) -> Int { Int(min(max(16_384 / stride, 4), 128)) }
  /// That of a named cache, of which there are many: 32, some 500 bytes.
  static let namedLimit = 32
}

extension Magazine {
  private static var stride: UInt { UInt(MemoryLayout<Slot>.stride) }

  @inline(__always)
  private var top: UInt {
    get { topWord.load(ordering: .relaxed) }
    nonmutating set { topWord.store(newValue, ordering: .relaxed) }
  }

  @inline(__always)
  var last: Stable<Slot> { Stable(bitPattern: top) }
  @inline(__always)
  var hasRoom: Bool { top < end }
  var count: Int { Int(bitPattern: (top &- bottom) / Self.stride) }

  @inline(__always)
  func push(_ slot: Slot) {
    Stable<Slot>(bitPattern: top &+ Self.stride).value = slot
    top &+= Self.stride
  }

  /// Takes the last object out.
  @inline(__always)
  func pop() { top &-= Self.stride }

  /// Fills the slot so many places above the last one, which is not counted before `grow`.
  func place(_ slot: Slot, above distance: Int) { last[distance].value = slot }

  /// Counts the `count` objects that were placed highest of up to `places` above the last one.
  func grow(by count: Int, of places: Int) {
    let top = last
    if count < places {
      for index in 1..<count &+ 1 { top[index].value = top[places &- count &+ index].value }
    }
    self.top &+= UInt(bitPattern: count) &* Self.stride
  }

  /// The address of an object, counted from the first.
  func object(_ index: Int) -> UInt { Stable<Slot>(bitPattern: bottom)[index &+ 1].value.address }
}
