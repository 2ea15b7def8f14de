public import KernelMemory

/// A run of physical addresses that is RAM.
public struct RAMRegion: Equatable, Sendable {
  public var start: PhysicalAddress
  /// In bytes; neither edge need be on a page.
  public var byteCount: UInt64

  public init(_ start: PhysicalAddress, byteCount: UInt64) {
    self.start = start
    self.byteCount = byteCount
  }

  /// One past the last byte, or nil where that wraps.
  var end: UInt64? { start.advanced(by: byteCount)?.rawValue }

  /// `byteCount` bytes of RAM where a PC has them: the hole for video memory and firmware lies from
  /// 640 KiB to 1 MiB, the one for devices from 3 GiB to 4 GiB. RAM behind the first hole is lost, RAM
  /// behind the second one continues above it.
  public static func pc(byteCount: UInt64) -> [RAMRegion] {
    let (low, one, three, four) = (UInt64(640) << 10, UInt64(1) << 20, UInt64(3) << 30, UInt64(4) << 30)
    var regions = [RAMRegion(PhysicalAddress(0), byteCount: min(byteCount, low))]
    if byteCount > one {
      regions.append(RAMRegion(PhysicalAddress(one), byteCount: min(byteCount, three) - one))
    }
    if byteCount > three {
      regions.append(RAMRegion(PhysicalAddress(four), byteCount: byteCount - three))
    }
    return regions
  }
}
