/// What an area is like, in one word, the tag on top: all below it is the key by which caches match.
///
///     63    48  47       46    44 43    40 39       32 31     28 27      20 19      16 15        0
///    | tag    | cleared | leaves | zone   | alignment | cache   | arena    | protection | guard     |
///
/// The alignment is log2 of pages.
@frozen @usableFromInline
struct AreaTraits: Equatable, Sendable {
  @usableFromInline var rawValue: UInt64

  @usableFromInline
  init(rawValue: UInt64) { self.rawValue = rawValue }

  init(
    guardPages: UInt16, protection: Protection, arena: ArenaID, cache: CacheType, alignment: Int,
    zone: ZoneKind, tag: Tag
  ) {
    self.init(rawValue: 0)
    self.guardPages = guardPages
    self.protection = protection
    self.arena = arena
    self.cache = cache
    self.alignment = alignment
    self.zone = zone
    self.tag = tag
  }

  private subscript(shift: UInt64, mask: UInt64) -> UInt64 {
    @inline(__always) get { rawValue &>> shift & mask }
    @inline(__always) set { rawValue = rawValue & ~(mask &<< shift) | newValue &<< shift }
  }

  @usableFromInline var guardPages: UInt16 {
    get { UInt16(truncatingIfNeeded: rawValue) }
    set { self[0, 0xffff] = UInt64(newValue) }
  }

  @usableFromInline var protection: Protection {
    @inline(__always) get { Protection(rawValue: UInt8(self[16, 0xf])) ?? .readOnly }
    set { self[16, 0xf] = UInt64(newValue.rawValue) }
  }

  /// 255 is no arena's number.
  @usableFromInline var arena: ArenaID {
    get { ArenaID(index: UInt8(self[20, 0xff])) }
    set { self[20, 0xff] = UInt64(newValue.index) }
  }

  @usableFromInline var cache: CacheType {
    @inline(__always) get { CacheType(rawValue: UInt8(self[28, 0xf])) ?? .uncached }
    set { self[28, 0xf] = UInt64(newValue.rawValue) }
  }

  var alignment: Int {
    get { Int(self[32, 0xff]) }
    set { self[32, 0xff] = UInt64(newValue) }
  }

  @usableFromInline var zone: ZoneKind {
    @inline(__always) get { ZoneKind(rawValue: UInt8(self[40, 0xf])) ?? .normal }
    set { self[40, 0xf] = UInt64(newValue.rawValue) }
  }

  @usableFromInline var leaves: LeafPolicy {
    get { LeafPolicy(rawValue: UInt8(self[44, 0x7])) ?? .base }
    set { self[44, 0x7] = UInt64(newValue.rawValue) }
  }

  /// Whether contents do not pass from tag to tag: of all areas of a manager, or of none, and never in what a
  /// caller asks for. So where it is set no area has the key of a caller's request, which then takes the
  /// longer way.
  var isCleared: Bool {
    get { rawValue &>> 47 & 1 != 0 }
    set { self[47, 1] = newValue ? 1 : 0 }
  }

  /// Whether something is to be done with the contents of an area like this before it is handed out.
  @inline(__always)
  var needsPreparing: Bool { rawValue & (1 &<< 47 | 0xf &<< 28) != 0 }

  @usableFromInline var tag: Tag {
    get { Tag(rawValue: rawValue &>> 48) }
    set { self[48, 0xffff] = newValue.rawValue }
  }

  /// Whether all but the tag is the same: two areas of one size then serve the same requests.
  @inline(__always)
  func hasSameKey(as other: AreaTraits) -> Bool {
    #if Ablations
    if Ablation.warmAcrossProtections.isOn {
      return (rawValue ^ other.rawValue) & 0x0000_ffff_fff0_ffff == 0
    }
    #endif
    return (rawValue ^ other.rawValue) &<< 16 == 0
  }
}
