/// What a caller of `vmalloc` may ask for besides the size.
@frozen
public struct VmallocOptions: Sendable {
  /// Bytes; a power of two. Less than a page means a page.
  public var alignment: UInt64 = 1
  /// The exact address, or nil for anywhere in the range.
  public var address: VirtualAddress?
  /// Pages behind the area that are never mapped; at most 65,535. Zero gives up the fault at an overrun.
  public var guardPages: UInt16 = 1
  public var protection: Protection = .readWrite
  public var cache: CacheType = .writeBack
  /// The highest zone that the frames may come from.
  public var zone: ZoneKind = .normal
  /// Who is charged.
  public var tag: Tag = .untagged
  /// Whether the call may wait for other CPUs when memory is short; with interrupts off it never does.
  public var mayWait = true
  /// The range; nil for the vmalloc range.
  public var areas: AreasID?

  public init() {}
}
