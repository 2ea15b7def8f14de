/// What instructions may do with a page. No combination of flags makes memory writable and executable: that
/// has a name of its own, and must be asked for.
@frozen
public enum Protection: UInt8, Sendable {
  case readOnly, readWrite, readExecute
  /// Refused by every allocation function that does not say this.
  case writableExecutable

  /// Whether stores are allowed.
  @inline(__always)
  public var isWritable: Bool { self == .readWrite || self == .writableExecutable }
  /// Whether instructions may be fetched.
  @inline(__always)
  public var isExecutable: Bool { self == .readExecute || self == .writableExecutable }

  /// Nil for writable and executable.
  public init?(writable: Bool, executable: Bool) {
    switch (writable, executable) {
    case (false, false): self = .readOnly
    case (true, false): self = .readWrite
    case (false, true): self = .readExecute
    case (true, true): return nil
    }
  }
}

/// How the caches treat a page's memory. RAM is always mapped write-back, too, in the linear map: while an
/// area, or a mapping, has another type, its frames are reached through it alone, and the manager sees to it
/// that no cache holds anything of them when it begins and when it ends (`Machine.cleanMemory`).
@frozen
public enum CacheType: UInt8, Sendable {
  case writeBack, writeCombining
  /// Uncached, unless a memory-type register says write-combining.
  case uncachedMinus
  case uncached
  case writeThrough
}

/// All that a leaf says of its memory besides where it is.
@frozen
public struct MappingAttributes: Equatable, Sendable {
  /// What the pages allow.
  public var protection: Protection
  /// How CPUs cache them.
  public var cache: CacheType
  /// Survives a switch of the address space in the TLBs, as kernel memory does.
  public var isGlobal: Bool

  /// Attributes of a mapping of the kernel's.
  public init(_ protection: Protection, cache: CacheType = .writeBack, isGlobal: Bool = true) {
    self.protection = protection
    self.cache = cache
    self.isGlobal = isGlobal
  }
}

/// A leaf: a run of pages that one entry maps to a run of frames.
public struct MappedRange: Equatable, Sendable {
  /// The pages, all mapped in one run.
  public let pages: PageRange
  /// The frame of the first page; the others follow it.
  public let frame: FrameNumber
  /// What all of them allow, and how they are cached.
  public let attributes: MappingAttributes
}
