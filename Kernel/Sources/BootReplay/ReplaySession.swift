// A replay, event by event
//
// `BootJob` reads a recording and replays it. A program that has its events otherwise (it was lenient with
// damaged lines, or made them of a listing) drives the same replay itself, and gets the same report:
//
//     var session = ReplaySession(on: manager, census: ..., figures: ..., options: ..., memory: ...)
//     _ = session.allocate(allocation, line: 1, on: &machine)       false: it was refused, and all is over
//     _ = session.free(recordedAddress, line: 2, on: &machine)
//     session.end(line: 2, on: &machine)
//     session.writeReport(to: &sink)

public import KernelMemory

/// One run of the job: the laps, and what the manager's counters say of them.
public struct ReplaySession {
  let census: TraceCensus
  let options: JobOptions
  let figures: TraceFigures
  private(set) var replay: Replay
  /// Laps that were replayed to their end.
  private var laps: UInt64 = 0
  /// Why the last one was not.
  private var stop: ReplayStop?
  private let countersBefore: Counters
  private let framesBefore: UInt64
  private var run: JobRun?

  init(
    on manager: MemoryManager, census: TraceCensus, figures: TraceFigures, options: JobOptions,
    tables: JobTables
  ) {
    self.census = census
    self.figures = figures
    self.options = options
    replay = Replay(on: manager, tables: tables, options)
    countersBefore = manager.counters
    framesBefore = manager.usedFrames.rawValue
  }

  /// The bytes that a replay of so many events needs.
  public static func workingMemory(for census: TraceCensus) -> Int { JobTables.byteCount(census) }

  /// - Parameters:
  ///   - manager: in strict mode where everything is to be verified, since a touch of freed memory must fault
  /// at once.   - figures: what the events alone come to.   - memory: `workingMemory` bytes, aligned to 16,
  /// whose content does not matter; they stay until the last call.
  /// - Returns: nil where `memory` is too small or not aligned.
  @unsafe
  public init?(
    on manager: MemoryManager, census: TraceCensus, figures: TraceFigures, options: JobOptions,
    memory: UnsafeMutableRawBufferPointer
  ) {
    guard let tables = unsafe JobTables(census, in: memory) else { return nil }
    self.init(on: manager, census: census, figures: figures, options: options, tables: tables)
  }

  /// Replays an allocation; false where it was refused, or one before it.
  public mutating func allocate(
    _ allocation: TraceAllocation, line: UInt64, on machine: inout some JobMachine
  ) -> Bool {
    attempt { (replay) throws(ReplayStop) in try replay.allocate(allocation, line: line, on: &machine) }
  }

  /// Replays the free of the area that the recording has at this address; a free of none is passed over.
  public mutating func free(
    _ recorded: UInt64, line: UInt64, on machine: inout some JobMachine
  ) -> Bool {
    attempt { (replay) throws(ReplayStop) in try replay.free(recorded: recorded, line: line, on: &machine) }
  }

  /// Checks what is live at the end of a lap, and frees it where another lap follows.
  public mutating func endLap(
    line: UInt64, isLast: Bool, on machine: inout some JobMachine
  ) -> Bool {
    let isDone = attempt { (replay) throws(ReplayStop) in
      try replay.settle(keepingAreas: isLast, line: line, on: &machine)
    }
    if isDone { laps += 1 }
    return isDone
  }

  private mutating func attempt(_ step: (inout Replay) throws(ReplayStop) -> Void) -> Bool {
    guard stop == nil else { return false }
    do throws(ReplayStop) {
      try step(&replay)
      return true
    } catch {
      stop = error
      return false
    }
  }

  /// Ends the last lap and compares the counters. Nothing may be replayed after it.
  public mutating func end(line: UInt64, on machine: inout some JobMachine) {
    _ = endLap(line: line, isLast: true, on: &machine)
    close()
  }

  /// Compares the counters after the last lap.
  mutating func close() {
    let taken = replay.manager.usedFrames.rawValue &- framesBefore
    let run = JobRun(
      figures: figures, laps: laps, stop: stop, counters: replay.manager.counters.since(countersBefore),
      framesTaken: taken, framesPeak: max(taken, replay.totals.peakFrames - framesBefore))
    run.compareCounters(&replay, lastLine: census.lines)
    self.run = run
  }
}

// MARK: - What came of it

extension ReplaySession {
  private var report: Report? {
    run.map { Report(census: census, options: options, run: $0, replay: replay) }
  }

  /// Whether the replay got to its end, and nothing was wrong.
  public var isPassed: Bool { run?.isPassed(replay) ?? false }

  /// Writes the whole report, once the replay has ended.
  public func writeReport(to sink: inout some TextSink) { report?.write(to: &sink) }

  /// Calls `body` with the name and the value of every figure, as the report has them in its last lines.
  public func forEachFigure(_ body: (StaticString, UInt64) -> Void) { report?.forEachValue(body) }

  /// Writes why the replay did not get to its end; nothing where it did.
  public func writeRefusal(to sink: inout some TextSink) { report?.writeRefusal(to: &sink) }

  /// Where the area is that the recording has at this address.
  public func address(ofRecorded address: UInt64) -> UInt64? {
    replay.tables.areas.find(address).map { replay.tables.areas[$0].address }
  }

  /// Bytes of addresses that live areas have now, with their guards.
  public var liveSpan: UInt64 { replay.totals.liveSpan }
}
