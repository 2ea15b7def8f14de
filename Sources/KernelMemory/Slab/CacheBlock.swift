/// What a cache is, and under its lock what it has.
@safe
struct CacheBlock {
  let layout: SlabLayout
  /// The bytes of an object that are its user's.
  var objectSize: UInt = 0
  /// Where in a free object the next one's address is.
  var linkOffset: UInt = 0
  /// What hides that address, where `hidesLinks`; every cache has its own.
  var key = LinkKey()
  var hidesLinks = false
  /// Bytes at the end of an object that note the size that was asked for: eight, in checked mode.
  var padding: UInt = 0
  var limit = 0
  var constructor: SlabCache.Constructor?
  var context: UnsafeMutableRawPointer?
  var name = Tags.Name()
  var tag = Tag.untagged

  // Under the lock.

  /// The slabs, by what is out of them, so that none is searched for.
  var vacant: UInt32 = 0
  var partial: UInt32 = 0
  var full: UInt32 = 0
  var slabs = 0
  /// Slabs of which no object is out.
  var empty = 0
  /// Objects that are not in their slab: live, in a magazine, or abandoned.
  var outstanding = 0
  /// Objects that were found damaged, and are never handed out again; they count as `outstanding`, too.
  var abandoned = 0
  /// The peak of `outstanding`.
  var peak = 0

  /// Empty slabs that stay: one, since use that crosses a slab's border would else make and free it each
  /// time.
  static let emptyLimit = 1

  init(_ layout: SlabLayout, _ hardening: SlabHardening) {
    self.layout = layout
    objectSize = layout.stride &- min(layout.stride, hardening.padding)
    padding = hardening.padding
    hidesLinks = hardening.hidesLinks
    limit = layout.stride == 0 ? 0 : Magazine.limit(layout.stride)
  }

  /// Of objects of one size and alignment, in bytes: what is constructed has its link behind it.
  /// - Returns: nil where they are too large for a slab.
  init?(
    _ objectSize: UInt, _ alignment: UInt, isConstructed: Bool, _ hardening: SlabHardening,
    _ pageSize: PageSize
  ) {
    let link = (objectSize &+ 7) & ~7
    let bytes = (isConstructed ? link &+ 8 : max(objectSize, 8)) &+ hardening.padding
    let alignment = max(alignment, 8)
    let stride = (bytes &+ alignment &- 1) & ~(alignment &- 1)
    guard stride <= SizeClass.largest else { return nil }
    self.init(SlabLayout(stride: stride, pageSize), hardening)
    self.objectSize = objectSize
    if isConstructed { linkOffset = link }
  }

  var hasConstructor: Bool { unsafe constructor != nil }
  var batch: Int { limit / 2 }
}
