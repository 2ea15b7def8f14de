/// Where areas lie, as far as real addresses tell.
public struct Layout: Sendable {
  /// A gap between two areas of the same space.
  public struct Hole: Equatable, Sendable {
    public var start: UInt64
    public var end: UInt64
    public var size: UInt64 { end - start }
  }

  /// A part of the address space with a limit of its own: the space of modules, or of vmalloc.
  public struct Region: Equatable, Sendable {
    public var name: String
    public var first: UInt64
    public var end: UInt64
    /// Bytes that areas take, overlaps counted once.
    public var used: UInt64 = 0
    public var areas = 0
    public var largestHole: Hole?
    /// The size of all of it, where that is fixed by the architecture.
    public var limit: UInt64?
  }

  public var regions: [Region] = []
  /// Areas that begin before another one ends: an area listed twice, or two lists in one.
  public var overlaps = 0
  /// The sizes of all holes between areas of one region.
  public var holes = SizeHistogram()

  /// The largest hole of all regions.
  public var largestHole: Hole? {
    regions.compactMap(\.largestHole).max { $0.size < $1.size }
  }
}

extension Snapshot {
  /// The layout, or nil where no address is real. Takes time in proportion to the areas, and to sort them
  /// where the list is not in order.
  public func layout() -> Layout? {
    guard addresses == .real, !ranges.isEmpty else { return nil }
    let sorted = rangesAreSorted ? ranges : ranges.sorted { $0.start < $1.start }
    var layout = Layout()
    let isWide = sorted[sorted.count - 1].end > 1 << 32
    for range in sorted {
      let region = Self.region(of: range.start, isWide: isWide)
      if layout.regions.last?.name != region.name { layout.regions.append(region) }
      Self.add(range, to: &layout)
    }
    return layout
  }

  private static func add(_ range: (start: UInt64, end: UInt64), to layout: inout Layout) {
    let last = layout.regions.count - 1
    if layout.regions[last].areas == 0 {
      layout.regions[last].first = range.start
      layout.regions[last].end = range.end
      layout.regions[last].used = range.end - range.start
    } else {
      let end = layout.regions[last].end
      if range.start < end { layout.overlaps += 1 }
      if range.start > end {
        let hole = Layout.Hole(start: end, end: range.start)
        layout.holes.add(hole.size)
        if hole.size > layout.regions[last].largestHole?.size ?? 0 { layout.regions[last].largestHole = hole }
      }
      if range.end > end {
        layout.regions[last].used += range.end - max(range.start, end)
        layout.regions[last].end = range.end
      }
    }
    layout.regions[last].areas += 1
  }

  /// The spaces that kernels keep modules in: the top 2 GiB of x86-64, 16 MiB below the linear map of 32-bit
  /// Arm.
  private static func region(of start: UInt64, isWide: Bool) -> Layout.Region {
    if isWide && start >= 0xFFFF_FFFF_8000_0000 {
      return Layout.Region(
        name: "modules", first: start, end: start, limit: 0xFFFF_FFFF_FF00_0000 - 0xFFFF_FFFF_A000_0000)
    }
    if !isWide && (0xBF00_0000..<0xC000_0000).contains(start) {
      return Layout.Region(name: "modules", first: start, end: start, limit: 16 << 20)
    }
    return Layout.Region(name: "vmalloc", first: start, end: start)
  }
}
