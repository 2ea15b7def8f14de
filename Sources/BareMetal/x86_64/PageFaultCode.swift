#if !arch(arm64) && !arch(riscv64)

/// The error code that an x86 CPU pushes for a page fault (Intel SDM vol. 3A, 4.7, figure 4-12).
@frozen
public struct PageFaultCode: Equatable, Sendable {
  public let rawValue: UInt64

  @inlinable
  public init(_ rawValue: UInt64) { self.rawValue = rawValue }

  /// The entry was present: the access was refused. Otherwise there was no entry.
  @inlinable public var wasPresent: Bool { rawValue & 1 != 0 }
  @inlinable public var isWrite: Bool { rawValue & 2 != 0 }
  /// An entry had a reserved bit set: the tables are damaged.
  @inlinable public var isReservedBit: Bool { rawValue & 8 != 0 }
  @inlinable public var isInstructionFetch: Bool { rawValue & 16 != 0 }
}

#endif
