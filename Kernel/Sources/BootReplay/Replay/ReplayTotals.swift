/// What a replay did, over all laps. Bytes are as recorded, guards included; pages are without.
struct ReplayTotals {
  var areasAllocated: UInt64 = 0
  var areasFreed: UInt64 = 0
  var liveAreas: UInt64 = 0
  var peakAreas: UInt64 = 0
  var liveBytes: UInt64 = 0
  var peakBytes: UInt64 = 0
  var pagesAllocated: UInt64 = 0
  var pagesFreed: UInt64 = 0
  var peakPages: UInt64 = 0
  /// The most frames that the manager had handed out, to whomever.
  var peakFrames: UInt64
  /// Areas of one page, which had no guard in the recording.
  var unguarded: UInt64 = 0
  var scatter = Scatter()
  /// Bytes of addresses here, guards included; and the most that were taken, those that were freed and not
  /// flushed included.
  var liveSpan: UInt64 = 0
  var peakSpan: UInt64 = 0
  /// The most bytes of addresses that were freed and not flushed.
  var peakUnflushed: UInt64 = 0

  /// - Parameter usedFrames: those that the manager has handed out before the replay.
  init(usedFrames: UInt64) { peakFrames = usedFrames }

  /// Bytes of last pages that nobody asked for: none where pages are as large as the recording's.
  var liveLost: UInt64 = 0
  var peakLost: UInt64 = 0

  var livePages: UInt64 { pagesAllocated - pagesFreed }

  /// - Parameters:
  ///   - usedFrames: those that the manager has handed out now.
  ///   - unflushed: bytes of addresses that were freed and not flushed.
  mutating func allocate(_ area: LiveArea, usedFrames: UInt64, unflushed: UInt64) {
    liveSpan &+= area.spanBytes
    peakUnflushed = max(peakUnflushed, unflushed)
    peakSpan = max(peakSpan, liveSpan &+ unflushed)
    peakFrames = max(peakFrames, usedFrames)
    areasAllocated += 1
    liveAreas += 1
    peakAreas = max(peakAreas, liveAreas)
    liveBytes &+= area.byteCount
    peakBytes = max(peakBytes, liveBytes)
    liveLost &+= area.lostBytes
    peakLost = max(peakLost, liveLost)
    pagesAllocated += area.pages
    peakPages = max(peakPages, livePages)
    if area.guardPages == 0 { unguarded += 1 }
  }

  mutating func free(_ area: LiveArea) {
    areasFreed += 1
    liveAreas -= 1
    liveSpan &-= area.spanBytes
    liveBytes &-= area.byteCount
    liveLost &-= area.lostBytes
    pagesFreed += area.pages
  }
}
