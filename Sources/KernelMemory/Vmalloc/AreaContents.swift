/// What a caller of `vmalloc` finds in memory that others have written.
@frozen
public enum AreaContents: Sendable {
  /// Whatever is there.
  case unspecified
  /// Zeros, or what the same tag wrote into the area before: one tag never reads what another has written.
  /// The allocation clears the pages, O(pages).
  case clearedBetweenTags
}

extension SlabHardening {
  /// What goes with it, unless something else is said.
  var contents: AreaContents {
    if case .none = self { return .unspecified }
    return .clearedBetweenTags
  }
}

extension AreaTraits {
  /// Those of the usual options, in a manager that clears or does not.
  init(clearing contents: AreaContents) {
    self.init(rawValue: VmallocOptions.defaultTraits)
    isCleared = contents == .clearedBetweenTags
  }
}
