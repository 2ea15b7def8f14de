// Addresses
//
// A number that names a place in physical memory must not be taken for one that names a place
// in virtual memory, nor a byte address for a page number. Four types say which is which, and two
// generic definitions serve them: `Space` is never instantiated, it only keeps the units apart.
//
//     PhysicalAddress   FrameNumber   FrameRange      (Space == Physical)
//     VirtualAddress    PageNumber    PageRange       (Space == Virtual)
//
// Arithmetic that could wrap returns an optional; nothing here traps on a caller's value.

/// The space of byte addresses on the memory bus.
public enum Physical {}
/// The space of byte addresses that a CPU's instructions use.
public enum Virtual {}

/// An address of RAM or of a device's registers, as the memory bus has it.
public typealias PhysicalAddress = Address<Physical>
/// An address as instructions have it, before the MMU translates it.
public typealias VirtualAddress = Address<Virtual>

/// A byte address in one space.
@frozen
public struct Address<Space>: Equatable, Hashable, Comparable, Sendable {
  /// In bytes.
  public let rawValue: UInt64

  /// From a number of bytes.
  @inlinable
  public init(_ rawValue: UInt64) { self.rawValue = rawValue }

  /// In order of the numbers, without sign.
  @inlinable
  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

  /// This address plus `bytes`, or nil where that wraps.
  @inlinable
  public func advanced(by bytes: UInt64) -> Self? {
    let (sum, overflow) = rawValue.addingReportingOverflow(bytes)
    return overflow ? nil : Self(sum)
  }

  /// The bytes from `other` up to this address, or nil where `other` is above it.
  @inlinable
  public func distance(from other: Self) -> UInt64? {
    rawValue >= other.rawValue ? rawValue &- other.rawValue : nil
  }

  /// Whether a page starts here.
  @inlinable
  public func isAligned(to pageSize: PageSize) -> Bool { rawValue & pageSize.offsetMask == 0 }

  /// The number of the page (or frame) that contains this address.
  @inlinable
  public func number(_ pageSize: PageSize) -> GranuleNumber<Space> {
    GranuleNumber(rawValue &>> UInt64(pageSize.shift))
  }
}

extension Address where Space == Virtual {
  /// The address that a pointer has.
  @inlinable
  public init(_ pointer: UnsafeRawPointer) {
    self.init(UInt64(UInt(bitPattern: pointer)))
  }

  /// The pointer with this bit pattern, or nil for address zero.
  @inlinable
  public var pointer: UnsafeMutableRawPointer? {
    unsafe UnsafeMutableRawPointer(bitPattern: UInt(rawValue))
  }
}
