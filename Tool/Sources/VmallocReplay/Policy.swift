internal import BootReplay
public import KernelMemory

/// How a replay allocates and frees, as a user writes it: `lazy,guard=0,leaves=base`.
public struct Policy: Equatable, Sendable, CustomStringConvertible {
  /// As the user wrote it.
  public let description: String
  public private(set) var mode = FreeMode.strict
  /// Nil for as many guard pages as were recorded.
  public private(set) var guardPages: UInt16?
  public private(set) var leaves = LeafPolicy.largeWherePossible
  public private(set) var hasGigabyteLeaves = true
  /// Addresses that may be freed and not flushed, in bytes; nil for the manager's own bound.
  public private(set) var bound: UInt64?
  /// From how many pages on a flush is of everything; nil for the usual number.
  public private(set) var flushThreshold: UInt64?

  /// A word that is none of a policy's.
  public struct Refusal: Error, Equatable, CustomStringConvertible {
    public let word: String

    public var description: String {
      "'\(word)' is no part of a policy; a policy is \(Policy.words)."
    }
  }

  public static let words = """
    one or more, with commas between, of: strict, lazy or warm (when freed memory can be used again), \
    guard=PAGES, leaves=large or leaves=base, format=x86-64 or format=x86-64-no-1g, bound=SIZE (of what \
    is freed and not flushed), flush=PAGES (from which on a flush is of everything)
    """

  public init(_ text: String) throws(Refusal) {
    description = text
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard take(String(word)) else { throw Refusal(word: String(word)) }
    }
  }

  private mutating func take(_ word: String) -> Bool {
    switch word {
    case "strict": mode = .strict
    case "lazy": mode = .lazy
    case "warm": mode = .warm
    case "leaves=large": leaves = .largeWherePossible
    case "leaves=base": leaves = .base
    case "format=x86-64": hasGigabyteLeaves = true
    case "format=x86-64-no-1g": hasGigabyteLeaves = false
    case _ where word.hasPrefix("guard="):
      guardPages = UInt16(word.dropFirst(6))
      return guardPages != nil
    case _ where word.hasPrefix("flush="):
      flushThreshold = UInt64(word.dropFirst(6)).flatMap { $0 > 0 && $0 <= 1 << 32 ? $0 : nil }
      return flushThreshold != nil
    case _ where word.hasPrefix("bound="):
      bound = Self.bytes(word.dropFirst(6))
      return bound != nil
    default: return false
    }
    return true
  }

  private static func bytes(_ text: Substring) -> UInt64? {
    let units: [Character: UInt64] = ["K": 10, "M": 20, "G": 30]
    let shift = text.last.flatMap { units[Character($0.uppercased())] } ?? 0
    guard let number = UInt64(shift > 0 ? text.dropLast() : text), number <= UInt64.max >> shift else {
      return nil
    }
    return number << shift
  }
}
