/// What a replay of a recording must come to, by the recording alone. Made in a second pass, which pairs
/// every free with its allocation: a recording whose events contradict each other is refused before the
/// memory manager has seen any of them.
public struct TraceFigures: Equatable {
  /// Areas that are never freed, and their bytes.
  public private(set) var liveAreas: UInt64 = 0
  public private(set) var liveBytes: UInt64 = 0
  /// The most bytes that were live at once. All bytes are with guard pages, as the recording has them.
  public private(set) var peakBytes: UInt64 = 0
  public private(set) var peakAreas: UInt64 = 0

  /// `table` has room for every allocation of the recording; it is empty before and after.
  init(_ trace: TraceText, pairingIn table: inout ProbeTable<LiveArea>) throws(TraceError) {
    var reader = TraceReader(trace)
    while let event = try reader.next() {
      switch event {
      case .allocation(let allocation) where !allocation.failed:
        let area = LiveArea(recorded: allocation.address, byteCount: allocation.byteCount, line: reader.line)
        if let earlier = table.find(area.key) {
          let since = table[earlier].line
          throw TraceError(line: reader.line, .allocatedTwice(allocation.address, since: since))
        }
        _ = table.insert(area)
        add(allocation.byteCount)
      case .free(let address):
        guard let slot = table.find(address) else {
          throw TraceError(line: reader.line, .freeWithoutAllocation(address))
        }
        liveAreas -= 1
        liveBytes -= table[slot].byteCount
        table.remove(at: slot)
      case .allocation, .purge, .other: break
      }
    }
    table.removeAll()
  }

  private mutating func add(_ byteCount: UInt64) {
    liveAreas += 1
    liveBytes = liveBytes &+ byteCount
    peakAreas = max(peakAreas, liveAreas)
    peakBytes = max(peakBytes, liveBytes)
  }
}
