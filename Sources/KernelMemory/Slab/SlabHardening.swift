/// How kmalloc's memory is watched. In every mode a free of what is no live object is refused.
@frozen
public enum SlabHardening: Sendable {
  case none
  /// The words that link free objects are hidden by a secret, and checked before they are followed.
  /// - Parameter secret: a random number of this boot.
  case hardened(secret: UInt64)
  /// As hardened; and behind each object of a slab lie at least eight bytes that must not change, and a free
  /// object is filled with a pattern that must not change either. Blocks of whole frames are not watched.
  /// - Parameter secret: a random number of this boot.
  case checked(secret: UInt64)

  var secret: UInt {
    switch self {
    case .none: 0
    case .hardened(let secret), .checked(let secret): UInt(secret)
    }
  }

  /// Bytes behind each object for the note of its size.
  var padding: UInt {
    if case .checked = self { return 8 }
    return 0
  }

  /// All ones where links are hidden.
  var mask: UInt {
    if case .none = self { return 0 }
    return .max
  }
}
