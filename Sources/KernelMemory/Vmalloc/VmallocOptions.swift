/// What a caller of `vmalloc` may ask for besides the size.
@frozen
public struct VmallocOptions: Sendable {
  /// Bytes; a power of two. Less than a page means a page.
  public var alignment: UInt64 = 1
  /// The exact address, or nil for anywhere in the range.
  public var address: VirtualAddress?
  /// Whether the call may wait for other CPUs, when memory is short or much is freed and not flushed; with
  /// interrupts off it never does.
  public var mayWait = true
  /// All else, as an area keeps it.
  @usableFromInline var traits = AreaTraits(rawValue: Self.defaultTraits)

  /// One guard page, read-write, write-back, from any zone, large leaves, untagged.
  @usableFromInline static var defaultTraits: UInt64 { 0x0000_0200_0001_0001 }

  /// Any place, page-aligned, read-write, write-back, with one guard page, charged to nobody.
  public init() {}

  /// Pages behind the area that are never mapped; at most 65,535. Zero gives up the fault at an overrun.
  public var guardPages: UInt16 {
    get { traits.guardPages }
    set { traits.guardPages = newValue }
  }

  /// What the pages allow; read-write by default.
  public var protection: Protection {
    get { traits.protection }
    set { traits.protection = newValue }
  }

  /// Of another type than write-back is memory that is shared with a device, say; nobody reaches its frames
  /// through the linear map meanwhile.
  public var cache: CacheType {
    get { traits.cache }
    set { traits.cache = newValue }
  }

  /// The highest zone that the frames may come from.
  public var zone: ZoneKind {
    get { traits.zone }
    set { traits.zone = newValue }
  }

  /// How large its leaves may be.
  public var leaves: LeafPolicy {
    get { traits.leaves }
    set { traits.leaves = newValue }
  }

  /// Who is charged.
  public var tag: Tag {
    get { traits.tag }
    set { traits.tag = newValue }
  }

  /// The range; nil, when set, for the vmalloc range.
  public var areas: ArenaID? {
    get { traits.arena }
    set { traits.arena = newValue ?? ArenaID(index: 0) }
  }
}
