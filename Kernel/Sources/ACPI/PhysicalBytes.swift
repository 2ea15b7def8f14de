internal import KernelMemory

/// Bytes of physical memory that a window is known to reach. Numbers are little-endian and need no
/// alignment.
@safe
struct PhysicalBytes {
  let start: PhysicalAddress
  let count: UInt32
  private let base: UnsafeRawPointer

  /// Nil where the window does not reach all of them.
  init?(at start: PhysicalAddress, count: UInt32, in window: LinearMap) {
    guard start.rawValue != 0, let end = start.advanced(by: UInt64(count)), end <= window.limit,
      let pointer = unsafe window.virtualAddress(of: start).pointer
    else { return nil }
    self.start = start
    self.count = count
    unsafe base = UnsafeRawPointer(pointer)
  }

  func u8(_ offset: UInt32) -> UInt8 {
    check(offset, 1)
    return unsafe base.load(fromByteOffset: Int(offset), as: UInt8.self)
  }

  func u32(_ offset: UInt32) -> UInt32 {
    check(offset, 4)
    return unsafe base.loadUnaligned(fromByteOffset: Int(offset), as: UInt32.self)
  }

  func u64(_ offset: UInt32) -> UInt64 {
    check(offset, 8)
    return unsafe base.loadUnaligned(fromByteOffset: Int(offset), as: UInt64.self)
  }

  private func check(_ offset: UInt32, _ width: UInt32) {
    precondition(offset <= count && width <= count - offset, "outside the bytes")
  }

  /// Whether the first bytes are those of `text`.
  func begin(with text: StaticString) -> Bool {
    guard count >= UInt32(text.utf8CodeUnitCount) else { return false }
    for index in 0..<text.utf8CodeUnitCount where unsafe u8(UInt32(index)) != text.utf8Start[index] {
      return false
    }
    return true
  }

  /// Whether the first `length` bytes add up to zero, as those of each table do.
  func addUp(upTo length: UInt32) -> Bool {
    var sum: UInt8 = 0
    for offset in 0..<length { sum &+= u8(offset) }
    return sum == 0
  }
}
