internal import Synchronization

/// Objects of one kind, handed out of slabs of their own.
@frozen
public struct SlabCache: Equatable, Sendable {
  /// Prepares an object when its slab is made; called once an object, with interrupts off. What it has set up
  /// must be there again when the object is freed: the object stays as it is until it is handed out again. It
  /// runs in the middle of the manager, which refuses it (`wrongContext`) where it asks for anything.
  public typealias Constructor =
    @convention(c) (
      _ object: UnsafeMutableRawPointer, _ context: UnsafeMutableRawPointer?
    ) -> Void

  let number: UInt8
  let generation: UInt32
}

/// What a cache holds.
public struct SlabCacheUsage: Equatable, Sendable {
  /// In their users' hands.
  public let objects: Int
  /// The peak of objects out of their slabs, in magazines or in use.
  public let peakObjects: Int
  /// Given up because they, or the links to them, were found damaged; they go with their cache.
  public let abandonedObjects: Int
  /// Slabs that the cache has, empty ones included.
  public let slabs: Int
  /// In all slabs.
  public let frames: PageCount
}

extension Slab {
  /// Named caches have the numbers above those of the size classes.
  static var firstNamed: Int { SizeClass.count }

  /// A cache's generation: odd while the cache is there.
  @inline(__always)
  func contains(_ cache: SlabCache) -> Bool {
    cache.generation & 1 == 1
      && generations[Int(cache.number)].value.load(ordering: .acquiring) == cache.generation
  }

  /// Starts a cache, while nobody knows its number.
  func setUp(_ number: Int, _ block: CacheBlock) {
    var block = block
    if block.hidesLinks {
      let generation = generations[number].value.load(ordering: .relaxed)
      block.key = LinkKey(secret: hardening.secret, cache: number, generation: generation)
    }
    if number >= Self.firstNamed { block.limit = min(block.limit, Magazine.namedLimit) }
    unsafe caches[number].pointer.initialize(to: block)
    for cpu in 0..<cpus.count {
      let slots = cpus.perCPU(cpu).records(Self.slots)[Self.firstSlot(number)]
      unsafe magazine(cpu, number).pointer.initialize(to: Magazine(block, slots: slots))
    }
  }

  /// The first of a magazine's slots among those of its CPU: each has one more than its capacity below, and
  /// one for what is drained right away.
  static func firstSlot(_ number: Int) -> Int {
    var slot = 0
    for other in 0..<min(number, firstNamed) { slot &+= Magazine.limit(SizeClass.size(other)) &+ 2 }
    return slot &+ max(0, number &- firstNamed) &* (Magazine.namedLimit &+ 2)
  }

  /// Claims a number for a new cache; nil where all are taken.
  func makeCache(_ block: CacheBlock) -> SlabCache? {
    for number in Self.firstNamed..<Self.capacity {
      let word = generations[number]
      let old = word.value.load(ordering: .acquiring)
      // A cache that is being made has a generation that no handle has.
      guard old & 3 == 0 else { continue }
      let claim = updating(.shared) {
        word.value.compareExchange(expected: old, desired: old &+ 2, ordering: .acquiring)
      }
      guard claim.exchanged else { continue }
      setUp(number, block)
      word.value.store(old &+ 1, ordering: .releasing)
      return SlabCache(number: UInt8(number), generation: old &+ 1)
    }
    return nil
  }

  /// Whether the objects of a cache are charged to a tag. O(caches).
  func hasCache(chargedTo tag: Tag) -> Bool {
    for number in Self.firstNamed..<Self.capacity
    where generations[number].value.load(ordering: .acquiring) & 1 == 1 && caches[number].value.tag == tag {
      return true
    }
    return false
  }

  /// Ends a cache none of whose objects is out but those that were abandoned.
  /// - Returns: false where objects are out, or the cache has ended before.
  func endCache(_ cache: SlabCache, _ cpu: borrowing CPU) -> Bool {
    let number = Int(cache.number)
    return withLock(number, cpu) { block in
      guard contains(cache), block.value.outstanding == block.value.abandoned else { return false }
      returnEmpty(block, keeping: 0, cpu)
      returnAbandoned(block, cpu)
      setUp(number, CacheBlock(SlabLayout(), .none))
      generations[number].value.store(cache.generation &+ 3, ordering: .releasing)
      return true
    }
  }

  func usage(of number: Int, _ cpu: borrowing CPU) -> SlabCacheUsage {
    let cached = cached(number)
    return withLock(number, cpu) { cache in
      SlabCacheUsage(
        objects: max(0, cache.value.outstanding &- cached &- cache.value.abandoned),
        peakObjects: cache.value.peak,
        abandonedObjects: cache.value.abandoned, slabs: cache.value.slabs,
        frames: PageCount(UInt64(cache.value.slabs) &<< UInt64(cache.value.layout.order)))
    }
  }
}
