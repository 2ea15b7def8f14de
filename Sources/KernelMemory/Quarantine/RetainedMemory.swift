/// What one CPU has taken back from callers and not made free yet.
public struct RetainedMemory: Equatable, Sendable {
  /// Pages, guards included, through which some CPU may still translate: no flush since their free is
  /// complete.
  public var unflushed = PageCount.zero
  /// Frames that wait for a flush or for a purge step, page tables included, and the frames of areas that
  /// sleep.
  public var frames = PageCount.zero
  /// Frames in the warm cache, which stay mapped.
  public var cached = PageCount.zero

  /// Nothing retained.
  public init() {}

  init(unflushed: PageCount, frames: PageCount, cached: PageCount) {
    self.unflushed = unflushed
    self.frames = frames
    self.cached = cached
  }
}
