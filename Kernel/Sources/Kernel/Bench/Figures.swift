import BareMetal
import KernelMemory

// Two rules keep a cold figure honest: what is freed and not flushed is bounded as Linux bounds it, 8,192
// pages times the bit length of the number of CPUs, guards included; and there is at most one full flush
// for each 4,000 pages that are freed, in one-page pairs or larger ones. A warm figure keeps a third: nothing
// in its loop writes an entry.

/// What a loop took, and what was done in it.
struct Figures {
  let operations: UInt64
  var instructions: UInt64 = 0
  var extremes = Extremes()
  /// Pages, guards included, that may be freed and not flushed.
  var mostUnflushed = Figures.unflushedLimit
  /// In the loop, without the purge behind it.
  private var entriesInLoop: UInt64 = 0
  private var notificationsInLoop: UInt64 = 0
  private var work: Counters
  private var locks: LockUsage

  /// Starts to count.
  init(operations: UInt64, from manager: MemoryManager) {
    self.operations = operations
    work = manager.counters
    locks = manager.locks
  }

  /// Notes what the loop did, before what it left is purged.
  mutating func endLoop(_ manager: MemoryManager) {
    let counters = manager.counters.since(work)
    entriesInLoop = counters[.entriesWritten]
    notificationsInLoop = counters[.notifications]
  }

  mutating func end(_ manager: MemoryManager) {
    work = manager.counters.since(work)
    var since = manager.locks
    since.taken &-= locks.taken
    since.waits &-= locks.waits
    locks = since
  }

  var perOperation: UInt64 { rounding(instructions, over: operations) }

  // MARK: Rules

  static var unflushedLimit: UInt64 {
    8_192 * UInt64(Int.bitWidth - Processors.count.leadingZeroBitCount)
  }

  /// The rule that does not hold, if there is one.
  func brokenRule(_ mode: FreeMode) -> StaticString? {
    guard mode != .strict else { return nil }
    if extremes.retained.unflushed.rawValue > mostUnflushed {
      return "too many pages are freed and not flushed"
    }
    // Borrowed frames are unmapped and not freed.
    if work[.flushesOfAll] > (max(work[.pagesFreed], work[.entriesCleared]) + 3_999) / 4_000 {
      return "more than one full flush for 4,000 pages"
    }
    return mode == .warm && entriesInLoop > 0 ? "a warm loop writes entries" : nil
  }

  // MARK: Details

  /// What was done for the figure, below its row.
  func writeDetails() {
    var console = SerialPort.console
    write("  operations ", operations)
    write(", entries written ", work[.entriesWritten])
    write(", tables made ", work[.tablesMade])
    write(", returned ", work[.tablesReturned])
    write(", warm hits ", work[.warmHits])
    write("\n  flushes: page ", work[.flushesOfPage])
    write(", ranges ", work[.flushesOfRanges])
    write(", everything ", work[.flushesOfAll])
    write("; served ", work[.flushesServed])
    write(", notifications ", work[.notifications])
    write(" (in the loop ", notificationsInLoop)
    console.write(")")
    write(", batches ", work[.batchesCompleted])
    console.write("\n  locks an operation ")
    writeAverage(locks.taken)
    console.write(", waits ")
    writeAverage(locks.waits)
    if extremes.allocation > 0 {
      write("; worst vmalloc ", extremes.allocation)
      write(", number ", extremes.worstAllocation)
      write(", worst vfree ", extremes.free)
    }
    let bytes = extremes.retained.frames.rawValue << 12
    write("\n  peak unflushed pages ", extremes.retained.unflushed.rawValue)
    write(" of at most ", mostUnflushed)
    write("; peak retained bytes ", bytes)
    write(", for 1,000 frees ", bytes * 1_000 / operations)
    write("; peak cached pages ", extremes.retained.cached.rawValue)
    console.newline()

    func write(_ text: StaticString, _ value: UInt64) {
      console.write(text)
      console.write(decimal: value)
    }

    func writeAverage(_ sum: UInt64) {
      console.write(hundredths: rounding(sum * 100, over: operations))
    }
  }
}
