/// What a replay of a recording must come to, by the recording alone. Made in a second pass, which pairs
/// every free with its allocation: a recording whose events contradict each other is refused before the
/// memory manager has seen any of them.
///
/// A free of an address that nothing is at is no contradiction: what was there was allocated before the
/// recording began, or is of the kind that leaves no event when it is allocated (chunks of per-CPU memory).
/// It is counted and passed over. A free inside a live area, and a live area that overlaps another, are.
public struct TraceFigures: Equatable, Sendable {
  /// Areas that are never freed, and their bytes.
  public private(set) var liveAreas: UInt64 = 0
  public private(set) var liveBytes: UInt64 = 0
  /// The most bytes that were live at once. All bytes are with guard pages, as the recording has them.
  public private(set) var peakBytes: UInt64 = 0
  public private(set) var peakAreas: UInt64 = 0
  /// Frees of areas whose allocation is not in the recording.
  public private(set) var freesOfOthers: UInt64 = 0

  /// The figures of events that were paired elsewhere.
  public init(
    liveAreas: UInt64, liveBytes: UInt64, peakBytes: UInt64, peakAreas: UInt64, freesOfOthers: UInt64
  ) {
    self.liveAreas = liveAreas
    self.liveBytes = liveBytes
    self.peakBytes = peakBytes
    self.peakAreas = peakAreas
    self.freesOfOthers = freesOfOthers
  }

  /// - Parameter areas: empty, with room for every allocation of the recording.
  init(_ trace: TraceText, pairingIn areas: inout AreaTree) throws(TraceError) {
    var reader = TraceReader(trace)
    while let event = try reader.next() {
      switch event {
      case .allocation(let allocation) where !allocation.failed:
        try allocate(allocation, line: reader.line, in: &areas)
      case .free(let address): try free(address, line: reader.line, in: &areas)
      case .allocation, .purge, .other: break
      }
    }
  }

  private mutating func allocate(
    _ allocation: TraceAllocation, line: UInt64, in areas: inout AreaTree
  ) throws(TraceError) {
    let (address, byteCount) = (allocation.address, allocation.byteCount)
    if let earlier = areas.area(overlapping: address, byteCount: byteCount) {
      throw TraceError(line: line, .overlap(address, since: earlier.line))
    }
    _ = areas.insert(OrderedArea(address: address, byteCount: byteCount, line: line))
    liveAreas += 1
    liveBytes = liveBytes &+ byteCount
    peakAreas = max(peakAreas, liveAreas)
    peakBytes = max(peakBytes, liveBytes)
  }

  private mutating func free(
    _ address: UInt64, line: UInt64, in areas: inout AreaTree
  ) throws(TraceError) {
    guard let area = areas.area(overlapping: address, byteCount: 1) else {
      freesOfOthers += 1
      return
    }
    guard area.address == address else {
      throw TraceError(line: line, .freeInsideArea(address, since: area.line))
    }
    _ = areas.remove(address)
    liveAreas -= 1
    liveBytes -= area.byteCount
  }
}
