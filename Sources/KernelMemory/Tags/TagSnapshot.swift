/// What every tag has at one moment, to be compared with a later one: 4 KiB, so keep it where there is room
/// for that rather than on a small stack. While other CPUs allocate, the tags are seen one after another.
public struct TagSnapshot: Sendable {
  /// What one tag has; wrapping counts of 32 bits suffice for differences.
  struct Live {
    var bytes: UInt64 = 0
    var objects: UInt32 = 0
    var areas: UInt32 = 0

    init() {}

    init(_ usage: TagUsage) {
      bytes = usage.liveBytes
      objects = UInt32(truncatingIfNeeded: usage.liveObjects)
      areas = UInt32(truncatingIfNeeded: usage.liveAreas)
    }
  }

  var tags = InlineArray<255, Live>(repeating: Live())
  /// Whose these are: the upper byte of each number's handle.
  private var generations = InlineArray<255, UInt8>(repeating: 0)

  init() {}

  /// Calls `body` for each tag that has more bytes, objects or areas here than in `earlier`, in the order of
  /// their numbers. O(tags).
  public func forEachGrowth(since earlier: TagSnapshot, _ body: (TagGrowth) -> Void) {
    for index in 0..<Tags.capacity {
      let tag = Tag(rawValue: UInt64(generations[index]) &<< 8 | UInt64(index))
      let growth = TagGrowth(tag, from: earlier[tag], to: tags[index])
      if growth.hasGrown { body(growth) }
    }
  }

  /// What a tag had: nothing, where another had its number.
  subscript(tag: Tag) -> Live {
    get { UInt64(generations[Int(tag.index)]) == tag.rawValue &>> 8 ? tags[Int(tag.index)] : Live() }
    set {
      tags[Int(tag.index)] = newValue
      generations[Int(tag.index)] = UInt8(truncatingIfNeeded: tag.rawValue &>> 8)
    }
  }
}

/// By how much what a tag has grew between two snapshots; negative for what shrank.
public struct TagGrowth: Equatable, Sendable {
  /// Whose growth it is.
  public let tag: Tag
  /// Live bytes more than at the snapshot; below zero where they are fewer.
  public let bytes: Int64
  /// Live objects more.
  public let objects: Int64
  /// Live areas more.
  public let areas: Int64

  init(_ tag: Tag, from earlier: TagSnapshot.Live, to later: TagSnapshot.Live) {
    self.tag = tag
    bytes = Int64(bitPattern: later.bytes &- earlier.bytes)
    objects = Int64(Int32(bitPattern: later.objects &- earlier.objects))
    areas = Int64(Int32(bitPattern: later.areas &- earlier.areas))
  }

  var hasGrown: Bool { bytes > 0 || objects > 0 || areas > 0 }
}
