internal import Synchronization

/// Where the objects of a slab are: from its start, one behind the other. At its end each has a byte that
/// says who owns it, the first object's last. A slab begins at a multiple of its size, in virtual addresses,
/// too.
struct SlabGrid {
  /// Bytes from one object to the next; zero where there are no slabs.
  var stride: UInt = 0
  /// The bytes of a slab, less one.
  var mask: UInt = 0
  /// 2⁶⁴ over the stride, rounded up: an offset times this is, above the lower 64 bits, the number of the
  /// object; below them is how far into the object the offset is, as a share of 2⁶⁴. The error is the
  /// offset's share of 2⁶⁴, in objects.
  var reciprocal: UInt = 0

  init() {}

  init(stride: UInt, mask: UInt) {
    self.stride = stride
    self.mask = mask
    reciprocal = .max / stride &+ 1
  }

  /// The number of the object that has the byte at an address, and whether it is its first: what lies behind
  /// the last object has numbers, too.
  @inline(__always)
  func object(at address: UInt) -> (index: UInt, isFirst: Bool) {
    let (index, share) = (address & mask).multipliedFullWidth(by: reciprocal)
    return (index, share < reciprocal)
  }

  /// Who owns the object of a number, in the slab of an address: zero for nobody. There are such bytes for
  /// all numbers that `object(at:)` gives; behind the last object they are always zero.
  @inline(__always)
  func owner(_ index: UInt, _ address: UInt) -> Stable<Atomic<UInt8>> {
    Stable(bitPattern: (address | mask) &- index)
  }

  @inline(__always)
  func owner(of object: UInt) -> Stable<Atomic<UInt8>> { owner(self.object(at: object).index, object) }
}

/// How large the slabs of a cache are, and how they are divided.
struct SlabLayout {
  var grid = SlabGrid()
  var order = 0
  /// Objects in a slab.
  var capacity = 0
  /// From the start of a slab to the bytes that say who owns its objects.
  var owners: UInt = 0

  @inline(__always) var stride: UInt { grid.stride }
  @inline(__always) var mask: UInt { grid.mask }

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
      // An owner for every multiple of the stride, so that a look-up needs no test for the last object.
      let owners = bytes &- ((bytes &- 1) / stride &+ 1)
      let count = min(owners / stride, 65_535)
      // Shares of the largest slab, so that they compare.
      let unused = (bytes &- count &* (stride &+ 1)) &<< UInt(Self.maxOrder &- order)
      guard count > 0, unused < best, best > bytes &<< UInt(Self.maxOrder &- order) / 16 else { continue }
      best = unused
      grid = SlabGrid(stride: stride, mask: bytes &- 1)
      (self.order, capacity, self.owners) = (order, Int(count), owners)
    }
  }

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
