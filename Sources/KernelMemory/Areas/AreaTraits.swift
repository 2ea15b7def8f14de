/// What an area is like, in one word: all but its tag, and the tag.
///
///     63    48 47    40 39       32 31     24 23        16 15        0
///    | tag    | zone   | alignment | cache   | protection | guard     |     alignment: log2 of pages
///                                                                           bits 20 to 23: the instance
@frozen @usableFromInline
struct AreaTraits: Equatable {
  var rawValue: UInt64

  init(rawValue: UInt64) { self.rawValue = rawValue }

  init(
    guardPages: UInt16, protection: Protection, instance: AreasID, cache: CacheType, alignment: Int,
    zone: ZoneKind, tag: Tag
  ) {
    rawValue =
      UInt64(guardPages) | UInt64(protection.rawValue) &<< 16 | UInt64(instance.index) &<< 20
      | UInt64(cache.rawValue) &<< 24 | UInt64(truncatingIfNeeded: alignment) &<< 32
      | UInt64(zone.rawValue) &<< 40 | UInt64(tag.index) &<< 48
  }

  var guardPages: UInt16 { UInt16(truncatingIfNeeded: rawValue) }
  var protection: Protection { Protection(rawValue: UInt8(rawValue &>> 16 & 0xf)) ?? .readOnly }
  var instance: AreasID { AreasID(index: UInt8(rawValue &>> 20 & 0xf)) }
  var cache: CacheType { CacheType(rawValue: UInt8(truncatingIfNeeded: rawValue &>> 24)) ?? .uncached }
  var zone: ZoneKind { ZoneKind(rawValue: UInt8(truncatingIfNeeded: rawValue &>> 40)) ?? .normal }
  var tag: Tag { Tag(index: UInt16(truncatingIfNeeded: rawValue &>> 48)) }

  /// All but the tag: two areas with the same key and size serve the same requests.
  var key: UInt64 { rawValue & 0x0000_ffff_ffff_ffff }
}
