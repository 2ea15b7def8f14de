internal import CMachine

/// Frames that have left the free lists and must come back, or be mapped: a chain through their
/// metadata, so that a list of any length needs no memory. It cannot be copied, and a path that drops
/// one does not link: its `deinit` calls a symbol that no kernel defines.
@frozen
@usableFromInline
struct FrameList: ~Copyable {
  /// Zero for none.
  @usableFromInline private(set) var head: UInt32
  @usableFromInline private(set) var last: UInt32
  @usableFromInline private(set) var count: Int

  init() {
    head = 0
    last = 0
    count = 0
  }

  /// - Precondition: `head` to `last` is a chain of `count` frames.
  init(head: UInt32, last: UInt32, count: Int) {
    self.head = head
    self.last = last
    self.count = count
  }

  /// Ends a list that is empty.
  consuming func end() {
    precondition(count == 0, "frames are left on a list that ends")
    discard self
  }

  /// Takes the chain out; whoever calls this answers for the frames.
  consuming func unchained() -> (head: UInt32, last: UInt32, count: Int) {
    let chain = (head: head, last: last, count: count)
    discard self
    return chain
  }

  deinit { cmachine_dropped_memory() }
}

extension FrameList {
  /// Puts a frame in front. O(1).
  @inline(__always)
  mutating func push(_ frame: UInt32, _ table: FrameTable) {
    table[frame].value.setLinks(next: head)
    if count == 0 { last = frame }
    head = frame
    count &+= 1
  }

  /// Puts a frame behind the others. O(1).
  mutating func append(_ frame: UInt32, _ table: FrameTable) {
    table[frame].value.setLinks(next: 0, previous: table[frame].value.previous)
    if count == 0 { head = frame } else { link(last, to: frame, table) }
    last = frame
    count &+= 1
  }

  /// Puts another list behind this one. O(1).
  mutating func append(_ other: consuming FrameList, _ table: FrameTable) {
    let chain = other.unchained()
    guard chain.count != 0 else { return }
    if count == 0 { head = chain.head } else { link(last, to: chain.head, table) }
    last = chain.last
    count &+= chain.count
  }

  private func link(_ frame: UInt32, to next: UInt32, _ table: FrameTable) {
    table[frame].value.setLinks(next: next, previous: table[frame].value.previous)
  }

  /// Takes the first frame. O(1).
  @inline(__always)
  mutating func pop(_ table: FrameTable) -> UInt32? {
    guard count != 0 else { return nil }
    let frame = head
    head = table[frame].value.next
    count &-= 1
    return frame
  }

  /// Puts another list in front of this one. O(1).
  @inline(__always)
  mutating func prepend(_ other: consuming FrameList, _ table: FrameTable) {
    let chain = other.unchained()
    guard chain.count != 0 else { return }
    if count == 0 { last = chain.last } else { table[chain.last].value.setLinks(next: head) }
    head = chain.head
    count &+= chain.count
  }
}
