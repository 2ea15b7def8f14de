/// What a caller of `vmalloc` finds in memory that others have written.
@frozen
public enum AreaContents: Sendable {
  /// Whatever is there.
  case unspecified
  /// Zeros, unless the area was the same tag's before, and kept mapped since: what one tag has written is not
  /// another's to read. An allocation clears its pages then, in its caller's time.
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
    self.init(rawValue: VmallocOptions.usualTraits)
    isCleared = contents == .clearedBetweenTags
  }
}
