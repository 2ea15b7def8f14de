/// How kmalloc's memory is watched. In every mode a free of what is no live object is refused.
@frozen
public enum SlabHardening: Sendable {
  case none
  /// The words that link free objects are hidden by a secret, checked before they are followed, and wiped
  /// before an object is handed out.
  /// - Parameter secret: a random number of this boot. Each cache derives its own from it.
  case hardened(secret: UInt64)
  /// Hardened, with a red zone of at least eight bytes behind each object and a poison pattern in free ones.
  /// Blocks of whole frames have neither. What has changed there is no error of a call: the kernel asks for
  /// it (`Counter.slabViolations`, `forEachSlabReport`, `writeSlabReports`).
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

  var hidesLinks: Bool {
    if case .none = self { return false }
    return true
  }
}
