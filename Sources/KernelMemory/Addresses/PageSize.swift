/// The size of a base page and of a page frame: the granule of one page-table format.
@frozen
public struct PageSize: Equatable, Sendable {
  /// log2 of the bytes.
  public let shift: UInt8

  @inlinable
  init(shift: UInt8) { self.shift = shift }

  /// x86-64, RISC-V and AArch64's smallest granule.
  @inlinable public static var size4K: PageSize { PageSize(shift: 12) }
  /// AArch64's 16 KiB granule.
  @inlinable public static var size16K: PageSize { PageSize(shift: 14) }
  /// AArch64's 64 KiB granule.
  @inlinable public static var size64K: PageSize { PageSize(shift: 16) }

  /// How many bytes a page has.
  /// The bits of an address that say where in its page it is.
  @inlinable public var bytes: UInt64 { 1 &<< UInt64(shift) }
  @inlinable public var offsetMask: UInt64 { bytes &- 1 }
}

/// A number of pages, or of page frames: the one always holds the other.
@frozen
public struct PageCount: Equatable, Hashable, Comparable, Sendable {
  /// How many pages.
  public let rawValue: UInt64

  /// From a number of pages.
  @inlinable
  public init(_ rawValue: UInt64) { self.rawValue = rawValue }

  /// The pages that hold `bytes`, rounded up; no byte count makes this wrap.
  @inlinable
  public init(bytes: UInt64, _ pageSize: PageSize) {
    let whole = bytes &>> UInt64(pageSize.shift)
    rawValue = bytes & pageSize.offsetMask == 0 ? whole : whole &+ 1
  }

  /// No page.
  @inlinable public static var zero: PageCount { PageCount(0) }

  /// In order of the numbers.
  @inlinable
  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

  /// The bytes in this many pages, or nil where that wraps.
  @inlinable
  public func bytes(_ pageSize: PageSize) -> UInt64? {
    let (product, overflow) = rawValue.multipliedReportingOverflow(by: pageSize.bytes)
    return overflow ? nil : product
  }

  /// The sum; nil where it does not fit into 64 bits.
  @inlinable
  public func adding(_ other: PageCount) -> PageCount? {
    let (sum, overflow) = rawValue.addingReportingOverflow(other.rawValue)
    return overflow ? nil : PageCount(sum)
  }
}
