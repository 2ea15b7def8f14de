#if arch(arm64)

/// The syndrome of an exception, ESR_EL1 (Arm ARM, D19.2).
@frozen
public struct PageFaultCode: Equatable, Sendable {
  public let rawValue: UInt64

  @inlinable
  public init(_ rawValue: UInt64) { self.rawValue = rawValue }

  /// The exception class.
  @inlinable public var exceptionClass: UInt64 { rawValue >> 26 & 0x3f }

  /// A data or instruction abort of EL1: only then do the others mean anything.
  @inlinable public var isAbort: Bool { exceptionClass == 0x25 || isInstructionFetch }

  /// The access was refused by an entry: a permission fault. Otherwise there was no entry.
  @inlinable public var wasPresent: Bool { status == 0x0c }
  @inlinable public var isWrite: Bool { exceptionClass == 0x25 && rawValue & 1 << 6 != 0 }
  /// An address in an entry is too large: the tables are damaged.
  @inlinable public var isReservedBit: Bool { status == 0 }
  @inlinable public var isInstructionFetch: Bool { exceptionClass == 0x21 }

  /// The fault's kind, without its level.
  @inlinable var status: UInt64 { rawValue & 0x3c }
}

#endif
