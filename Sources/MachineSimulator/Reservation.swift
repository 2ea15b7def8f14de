internal import Glibc
internal import KernelMemory

/// An address range of the process that starts on a boundary of 1 GiB and is inaccessible until parts
/// of it are opened.
@safe
struct Reservation: ~Copyable {
  let start: UnsafeMutableRawPointer
  private let byteCount: Int

  /// The largest leaf there is (SDM table 4-16).
  private static let alignment = 1 << 30

  /// - Throws: `reservationFailed`.
  init(byteCount: UInt64) throws(SimulatedMachineError) {
    // The number of physical address bits bounds the count to 52 bits, so the sum does not wrap.
    let needed = Int(byteCount)
    let whole = needed + Self.alignment
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    guard let raw = unsafe mmap(nil, whole, PROT_NONE, flags, -1, 0), unsafe raw != MAP_FAILED else {
      throw .reservationFailed(errno: errno)
    }
    let before = -Int(bitPattern: raw) & (Self.alignment - 1)
    unsafe start = raw + before
    self.byteCount = needed
    if before > 0 { unsafe munmap(raw, before) }
    unsafe munmap(start + needed, whole - before - needed)
  }

  deinit {
    unsafe munmap(start, byteCount)
  }

  /// Makes the pages that hold a byte of `region` accessible. Without transparent huge pages: simulated
  /// frames are touched far apart, and each touch would commit 2 MiB.
  borrowing func open(_ region: RAMRegion) throws(SimulatedMachineError) {
    let mask = Int(PageSize.size4K.offsetMask)
    let first = Int(region.start.rawValue) & ~mask
    let end = (Int(region.start.rawValue + region.byteCount) + mask) & ~mask
    guard unsafe mprotect(start + first, end - first, PROT_READ | PROT_WRITE) == 0 else {
      throw .reservationFailed(errno: errno)
    }
    _ = unsafe madvise(start + first, end - first, MADV_NOHUGEPAGE)
  }
}
