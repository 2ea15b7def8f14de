/// A reference to type-stable memory: memory that was taken from the map for values of one type,
/// keeps them at their addresses, and is never given back. A reference that has grown old reads an
/// old value, but never somebody else's: that is why using one is not marked `unsafe`, and why
/// only the rooms that own such memory make one.
@safe @frozen
@usableFromInline
struct Stable<Element: ~Copyable> {
  // A pointer, not its bits: what is built with ThreadSanitizer notes accesses by it.
  @usableFromInline let pointer: UnsafeMutablePointer<Element>

  @inlinable @inline(__always)
  init(at address: VirtualAddress) { self.init(bitPattern: UInt(address.rawValue)) }

  /// Zero makes a reference that is never followed.
  @inlinable @inline(__always)
  init(bitPattern address: UInt) {
    unsafe pointer = unsafeBitCast(
      UnsafeMutablePointer<Element>(bitPattern: address), to: UnsafeMutablePointer<Element>.self)
  }

  @inlinable @inline(__always)
  var address: UInt { unsafe UInt(bitPattern: pointer) }

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
