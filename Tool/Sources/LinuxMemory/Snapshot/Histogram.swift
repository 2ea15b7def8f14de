/// How many areas, or holes, have each size, in powers of two.
public struct SizeHistogram: Equatable, Sendable {
  /// Sizes above half of `upTo` and up to it, in bytes.
  public struct Row: Equatable, Sendable {
    public let upTo: UInt64
    public var count = 0
    /// The sum of these sizes in bytes.
    public var bytes: UInt64 = 0
  }

  private var counts = [Int](repeating: 0, count: 64)
  private var sums = [UInt64](repeating: 0, count: 64)

  public init() {}

  /// Counts a size in bytes; what is larger than half of the address space counts as that.
  public mutating func add(_ bytes: UInt64) {
    if bytes == 0 { return }
    let index = min(63, 64 - (bytes - 1).leadingZeroBitCount)
    counts[index] += 1
    sums[index] = sums[index].clampedAdd(bytes)
  }

  /// The rows from the smallest size that came to the largest, those between included.
  public var rows: [Row] {
    guard let first = counts.firstIndex(where: { $0 > 0 }), let last = counts.lastIndex(where: { $0 > 0 })
    else { return [] }
    return (first...last).map { Row(upTo: 1 << UInt64($0), count: counts[$0], bytes: sums[$0]) }
  }
}

extension Snapshot {
  /// The sizes of the areas that pass and have real addresses; nil where most addresses are not real. The
  /// areas have to be kept.
  public func sizeHistogram(_ filter: AreaFilter = AreaFilter()) -> SizeHistogram? {
    guard addresses == .real else { return nil }
    var histogram = SizeHistogram()
    for area in areas(filter) where area.addresses == .real { histogram.add(area.space) }
    return histogram
  }

  /// The single areas that pass, in the order of the list.
  public func areas(_ filter: AreaFilter) -> [Area] {
    if filter.isEmpty { return areas }
    var verdicts: [Int: Bool] = [:]
    return areas.filter { area in
      let kind = kind(of: area)
      let key = Int(area.caller.index) << 4 | Int(kind.rawValue)
      if let known = verdicts[key] { return known }
      let verdict = filter.accepts(kind, callers[area.caller])
      verdicts[key] = verdict
      return verdict
    }
  }

  /// The same list with only these areas, and without the kernel's own sums, which are of all areas.
  public func keeping(_ isKept: (Area) -> Bool) -> Snapshot {
    var copy = Snapshot(name: name, keepsAreas: true)
    copy.callers = callers
    copy.report = report
    for area in areas where isKept(area) { copy.add(area) }
    return copy
  }
}
