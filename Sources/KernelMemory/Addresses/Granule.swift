/// Which page frame: a physical address over the page size.
public typealias FrameNumber = GranuleNumber<Physical>
/// Which page: a virtual address over the page size.
public typealias PageNumber = GranuleNumber<Virtual>
/// Frames that lie one behind the other.
public typealias FrameRange = GranuleRange<Physical>
/// Pages that lie one behind the other.
public typealias PageRange = GranuleRange<Virtual>

/// The number of a page (`Virtual`) or of a page frame (`Physical`): its address over the page size.
@frozen
public struct GranuleNumber<Space>: Equatable, Hashable, Comparable, Sendable {
  /// The address over the page size.
  public let rawValue: UInt64

  /// The page or the frame with a number.
  @inlinable
  public init(_ rawValue: UInt64) { self.rawValue = rawValue }

  /// In order of the numbers, without sign.
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

  /// Whether it is a multiple of 2^`order`.
  @inlinable
  public func isAligned(toOrder order: Int) -> Bool {
    rawValue & ((1 &<< UInt64(truncatingIfNeeded: order)) &- 1) == 0
  }
}

/// A run of pages or of page frames; it may be empty, and its end never wraps.
@frozen
public struct GranuleRange<Space>: Equatable, Sendable {
  /// The lowest number.
  public let first: GranuleNumber<Space>
  /// How many numbers there are.
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

  /// Whether there is none.
  @inlinable
  public var isEmpty: Bool { count.rawValue == 0 }

  /// Whether a number is one of these.
  @inlinable
  public func contains(_ number: GranuleNumber<Space>) -> Bool {
    number.rawValue &- first.rawValue < count.rawValue
  }

  /// Whether all of another range is in this one; of an empty one, whether it lies inside.
  @inlinable
  public func contains(_ other: Self) -> Bool {
    other.first >= first && other.end <= end
  }

  /// Whether the ranges have a number in common; an empty one that lies inside counts.
  @inlinable
  public func overlaps(_ other: Self) -> Bool {
    first < other.end && other.first < end
  }
}
