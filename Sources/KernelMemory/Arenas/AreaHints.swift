/// Where one CPU remembers the areas that it has handed out last, by the low bits of their first page: a free
/// that finds its area here need not descend the index. A hint may have grown old, since it is never taken
/// back: it leads to a descriptor, and what this says of its state and its first page decides. Cleared memory
/// has no hints.
struct AreaHints: ~Copyable {
  /// 256: 2 KiB a CPU, and 128 areas of a page, since with their guards they use every other place.
  static let count: UInt64 = 256

  private var areas: InlineArray<256, Stable<AreaDescriptor>?>

  /// The area that is remembered for a page. `mutating` only to avoid a copy: borrowing an `InlineArray`
  /// copies it.
  @inline(__always)
  mutating func area(at page: UInt64) -> Stable<AreaDescriptor>? {
    areas[Int(truncatingIfNeeded: page & (Self.count &- 1))]
  }

  @inline(__always)
  mutating func remember(_ area: Stable<AreaDescriptor>, at page: UInt64) {
    areas[Int(truncatingIfNeeded: page & (Self.count &- 1))] = area
  }
}

extension AreaHints {
  @inline(__always)
  static var place: PerCPUPlace<AreaHints> { PerCPUPlace(behind: Frames.lists.end) }
}

extension Stable<PerCPU> {
  @inline(__always)
  var hints: Stable<AreaHints> { records(AreaHints.place) }
}
