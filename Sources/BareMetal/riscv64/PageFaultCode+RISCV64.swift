#if arch(riscv64)

/// The cause of an exception, as scause has it (Privileged Architecture, 12.1.8), and whether there was an
/// entry, which it does not say.
@frozen
public struct PageFaultCode: Equatable, Sendable {
  public let rawValue: UInt64

  /// Above all causes.
  @usableFromInline static var presentBit: UInt64 { 1 << 32 }

  /// - Parameter wasPresent: what whoever has looked into the tables has found.
  @inlinable
  public init(_ cause: UInt64, wasPresent: Bool) {
    rawValue = wasPresent ? cause | Self.presentBit : cause
  }

  @inlinable var cause: UInt64 { rawValue & ~Self.presentBit }

  /// A page fault: only then do the others mean anything.
  @inlinable public var isPageFault: Bool { isInstructionFetch || isWrite || cause == 13 }

  @inlinable public var wasPresent: Bool { rawValue & Self.presentBit != 0 }
  @inlinable public var isWrite: Bool { cause == 15 }
  @inlinable public var isReservedBit: Bool { false }
  @inlinable public var isInstructionFetch: Bool { cause == 12 }
}

#endif
