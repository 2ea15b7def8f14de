public typealias FrameNumber = GranuleNumber<Physical>
public typealias PageNumber = GranuleNumber<Virtual>
public typealias FrameRange = GranuleRange<Physical>
public typealias PageRange = GranuleRange<Virtual>

/// The number of a page (`Virtual`) or of a page frame (`Physical`): its address over the page size.
@frozen
public struct GranuleNumber<Space>: Equatable, Hashable, Comparable, Sendable {
  public let rawValue: UInt64

  @inlinable
  public init(_ rawValue: UInt64) { self.rawValue = rawValue }

  @inlinable
  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

  /// The address of the first byte. Wraps for a number that no address of 64 bits has.
  @inlinable
  public func address(_ pageSize: PageSize) -> Address<Space> {
    Address(rawValue &<< UInt64(pageSize.shift))
  }

  /// This number plus `count`, or nil where that wraps.
  @inlinable
  public func advanced(by count: PageCount) -> Self? {
    let (sum, overflow) = rawValue.addingReportingOverflow(count.rawValue)
    return overflow ? nil : Self(sum)
  }

  @inlinable
  public func isAligned(toOrder order: Int) -> Bool {
    rawValue & ((1 &<< UInt64(truncatingIfNeeded: order)) &- 1) == 0
  }
}

/// A run of pages or of page frames; it may be empty, and its end never wraps.
@frozen
public struct GranuleRange<Space>: Equatable, Sendable {
  public let first: GranuleNumber<Space>
  public let count: PageCount

  /// Nil where `first + count` wraps.
  @inlinable
  public init?(_ first: GranuleNumber<Space>, count: PageCount) {
    guard first.advanced(by: count) != nil else { return nil }
    self.init(unchecked: first, count: count)
  }

  /// For a caller that has checked the end.
  @inlinable
  init(unchecked first: GranuleNumber<Space>, count: PageCount) {
    self.first = first
    self.count = count
  }

  /// The run from `first` up to, and without, `end`; empty where `end` is not above `first`.
  @inlinable
  public init(from first: GranuleNumber<Space>, upTo end: GranuleNumber<Space>) {
    self.init(
      unchecked: first,
      count: PageCount(end > first ? end.rawValue &- first.rawValue : 0))
  }

  /// The number after the last one.
  @inlinable
  public var end: GranuleNumber<Space> { GranuleNumber(first.rawValue &+ count.rawValue) }

  @inlinable
  public var isEmpty: Bool { count.rawValue == 0 }

  @inlinable
  public func contains(_ number: GranuleNumber<Space>) -> Bool {
    number.rawValue &- first.rawValue < count.rawValue
  }

  @inlinable
  public func contains(_ other: Self) -> Bool {
    other.first >= first && other.end <= end
  }

  @inlinable
  public func overlaps(_ other: Self) -> Bool {
    first < other.end && other.first < end
  }
}
