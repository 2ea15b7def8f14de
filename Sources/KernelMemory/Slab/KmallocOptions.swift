/// What a caller of `kmalloc` may ask for besides the size.
@frozen
public struct KmallocOptions: Sendable {
  /// Bytes; a power of two, at most a page. Sizes that are powers of two have their own as it is.
  public var alignment: UInt64 = 8
  /// The highest zone that the memory may come from. What must come from a lower zone than `normal` is served
  /// from whole frames, rounded up to a power of two: such requests are rare, and caches for them would
  /// keep on every CPU memory of which there is little.
  public var zone: ZoneKind = .normal
  /// Who is charged.
  public var tag: Tag = .untagged
  /// Whether the call may wait for other CPUs when memory is short; with interrupts off it never does.
  public var mayWait = true

  /// Every property at its default.
  public init() {}
}
