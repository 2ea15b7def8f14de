/// A reference to type-stable memory: memory that was taken from the map for values of one type,
/// keeps them at their addresses, and is never given back. A reference that has grown old reads an
/// old value, but never somebody else's: that is why using one is not marked `unsafe`, and why
/// only the rooms that own such memory make one.
@safe @frozen
@usableFromInline
struct Stable<Element: ~Copyable> {
  @usableFromInline let address: UInt

  @inlinable @inline(__always)
  init(at address: VirtualAddress) { self.address = UInt(address.rawValue) }

  @inlinable @inline(__always)
  init(bitPattern address: UInt) { self.address = address }

  @inlinable @inline(__always)
  var pointer: UnsafeMutablePointer<Element> {
    unsafe UnsafeMutablePointer(bitPattern: address).unsafelyUnwrapped
  }

  @inlinable
  var value: Element {
    @inline(__always) unsafeAddress { unsafe UnsafePointer(pointer) }
    @inline(__always) nonmutating unsafeMutableAddress { unsafe pointer }
  }

  /// The element `index` places further on in the same array.
  @inlinable @inline(__always)
  subscript(index: Int) -> Stable<Element> {
    Stable(bitPattern: address &+ UInt(bitPattern: index &* MemoryLayout<Element>.stride))
  }
}
