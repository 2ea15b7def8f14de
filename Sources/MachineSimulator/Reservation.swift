internal import CHost
internal import KernelMemory

/// An address range of the process that starts on a boundary of 1 GiB and is inaccessible until parts
/// of it are opened.
@safe
struct Reservation: ~Copyable {
  let start: UnsafeMutableRawPointer
  private let byteCount: Int

  /// The largest leaf there is (SDM table 4-16).
  private static let alignment = 1 << 30

  /// - Parameter end: where the address range ends at the latest.
  /// - Throws: `reservationFailed`.
  init(byteCount: UInt64, below end: UInt64 = 1 << 47) throws(SimulatedMachineError) {
    // The number of physical address bits bounds the count to 52 bits, so the sum does not wrap.
    let needed = Int(byteCount)
    let whole = needed + Self.alignment
    var error: Int32 = 0
    guard let raw = unsafe chost_reserve(whole, Self.alignment, Int(end), &error) else {
      throw .reservationFailed(errno: error)
    }
    let before = -Int(bitPattern: raw) & (Self.alignment - 1)
    unsafe start = raw + before
    self.byteCount = needed
    unsafe chost_release(raw, before)
    unsafe chost_release(start + needed, whole - before - needed)
  }

  deinit {
    unsafe chost_release(start, byteCount)
  }

  /// Makes the pages that hold a byte of `region` accessible. Small ones: simulated frames are touched far
  /// apart, and each touch would commit 2 MiB.
  borrowing func open(_ region: RAMRegion) throws(SimulatedMachineError) {
    let mask = Int(PageSize.size4K.offsetMask)
    let first = Int(region.start.rawValue) & ~mask
    let end = (Int(region.start.rawValue + region.byteCount) + mask) & ~mask
    let error = unsafe chost_set_rights(start + first, end - first, chost_rights_write)
    guard error == 0 else { throw .reservationFailed(errno: error) }
    unsafe chost_use_small_pages(start + first, end - first)
  }
}
