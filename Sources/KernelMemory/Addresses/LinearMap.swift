/// The linear map: where every page frame of RAM is always mapped, each at a constant distance
/// from its physical address. The core reads and writes page tables and its own metadata through it.
@frozen
public struct LinearMap: Equatable, Sendable {
  /// The virtual address of physical address zero. On a simulated machine: an address in the process.
  public let base: VirtualAddress
  /// The first physical address that the map does not reach.
  public let limit: PhysicalAddress
  /// The size of the pages that the map is counted in.
  public let pageSize: PageSize

  /// A map from `base` on, of physical memory below `limit`.
  @inlinable
  public init(base: VirtualAddress, limit: PhysicalAddress, pageSize: PageSize) {
    self.base = base
    self.limit = limit
    self.pageSize = pageSize
  }

  /// The virtual address of a physical one. O(1), a sum. The caller knows that the map reaches it.
  @inlinable @inline(__always)
  public func virtualAddress(of address: PhysicalAddress) -> VirtualAddress {
    VirtualAddress(base.rawValue &+ address.rawValue)
  }

  /// The memory of a frame as `Element`s that never move. The caller knows that the frame is RAM,
  /// that the map reaches it, and that nobody uses it as anything else.
  @inlinable @inline(__always)
  func memory<Element: ~Copyable>(of frame: FrameNumber, as: Element.Type) -> Stable<Element> {
    Stable(at: virtualAddress(of: frame.address(pageSize)))
  }
}
