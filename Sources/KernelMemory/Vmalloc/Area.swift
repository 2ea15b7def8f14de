/// What is known of a live area.
public struct Area: Equatable, Sendable {
  /// Its first byte.
  public let address: VirtualAddress
  /// Its pages, without the guard behind them.
  public let pages: PageRange
  /// Pages behind the area that are never mapped.
  public let guardPages: PageCount
  /// The bytes that were asked for.
  public let byteCount: UInt64
  /// What its pages allow.
  public let protection: Protection
  /// How CPUs cache it.
  public let cache: CacheType
  /// Who is charged.
  public let tag: Tag
  /// The range that it lies in.
  public let areas: ArenaID
  /// Whether its frames are its caller's (`vmap`).
  public internal(set) var isBorrowed = false

  /// The guard: addresses behind the pages that fault when touched.
  public var guardRange: PageRange { PageRange(unchecked: pages.end, count: guardPages) }

  /// The pages and their guard.
  var spanRange: PageRange { PageRange(from: pages.first, upTo: guardRange.end) }
}
