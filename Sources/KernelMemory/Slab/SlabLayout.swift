/// How a slab is divided: objects from its start, one byte an object that says who owns it at the end.
struct SlabLayout {
  /// Bytes from one object to the next; zero where there are no slabs.
  var stride: UInt = 0
  var order = 0
  /// Objects in a slab.
  var capacity = 0
  /// The bytes of a slab, less one.
  var mask: UInt = 0
  /// From the start of a slab to the bytes that say who owns its objects.
  var owners: UInt = 0
  /// 2³² over the stride, rounded up: an offset times this, over 2³², is the number of the object. The
  /// error is less than offset / 2³² objects, and a stride's share of an object is more than that as long as
  /// an offset times a stride is less than 2³²: 512 KiB times 8 KiB is the most.
  var reciprocal: UInt = 0

  /// The largest slab, eight frames: larger blocks are hard to find once memory is in pieces.
  static let maxOrder = 3

  /// No slabs.
  init() {}

  /// The smallest slab that leaves at most a sixteenth of itself unused, or else the one that leaves the
  /// least.
  init(stride: UInt, _ pageSize: PageSize) {
    var best = UInt.max
    for order in 0...Self.maxOrder {
      let bytes = UInt(pageSize.bytes) &<< UInt(order)
      let count = min(bytes / (stride &+ 1), 65_535)
      // Shares of the largest slab, so that they compare.
      let unused = (bytes &- count &* (stride &+ 1)) &<< UInt(Self.maxOrder &- order)
      guard count > 0, unused < best, best > bytes &<< UInt(Self.maxOrder &- order) / 16 else { continue }
      best = unused
      (self.order, capacity, mask) = (order, Int(count), bytes &- 1)
    }
    self.stride = stride
    owners = mask &+ 1 &- UInt(capacity)
    reciprocal = ((1 &<< 32) &+ stride &- 1) / stride
  }

  /// The number of the object that has the byte at `offset` from the start of a slab; `capacity` or more
  /// behind the last.
  @inline(__always)
  func index(_ offset: UInt) -> UInt { (offset &* reciprocal) &>> 32 }

  /// The layout of a size class. None for whole pages: beside its objects such a slab has no room for their
  /// owners, and a block of frames is exactly what is asked for.
  init(class index: Int, _ pageSize: PageSize, padding: UInt) {
    let size = SizeClass.size(index)
    if padding == 0 && size & UInt(pageSize.offsetMask) == 0 {
      self.init()
    } else {
      self.init(stride: size, pageSize)
    }
  }
}
