// The main job
//
// One job, on a booted kernel and on a simulated machine alike: read a recording of a Linux boot, replay
// its vmalloc traffic with this package's manager, verify every page of it through the MMU, and report.
// Nothing here allocates: the recording is read where it lies, and the tables lie in memory that the
// caller gives when it has been told how much it takes.
//
//     let job = try BootJob(trace: bytes)                  is it a recording? count it
//     let memory = ... job.workingMemory bytes ...
//     let outcome = job.run(on: manager, machine: &machine, memory: memory, reportingTo: &sink)
//     exit(outcome.exitStatus)

public import KernelMemory

/// How a job is run and what it prints.
public struct JobOptions {
  /// How often the recording is replayed; once at least.
  public var laps: UInt64 = 1
  /// Whether the listing of areas has all rows, or the first and the last.
  public var listsAllAreas = false
  /// A range with areas of the machine's own (stacks of other CPUs), which the listing leaves out.
  public var machineAreas: AreasID?
  /// What the job runs on, for the first line of the report.
  public var machineName: StaticString = "a machine"

  public init() {}

  fileprivate var withOneLapAtLeast: JobOptions {
    var options = self
    options.laps = max(1, laps)
    return options
  }
}

/// How a job ended.
public enum JobOutcome: UInt8, Equatable, Sendable {
  /// All that had to be there was there, and all that had to fault did.
  case passed = 0
  /// There was a violation, or the manager refused what the recording needs.
  case failed = 1
  /// There is no recording that could be replayed.
  case badTrace = 2

  public var exitStatus: UInt8 { rawValue }
}

/// A recording, counted and ready to be replayed.
public struct BootJob {
  public let census: TraceCensus
  /// The bytes that `run` needs.
  public let workingMemory: Int
  let trace: TraceText
  let options: JobOptions

  /// - Parameter trace: the recording's text; it must stay where it is until `run` has returned.
  @unsafe
  public init(trace: UnsafeRawBufferPointer, options: JobOptions = JobOptions()) throws(TraceError) {
    unsafe self.trace = TraceText(trace)
    self.options = options.withOneLapAtLeast
    census = try TraceCensus(self.trace)
    workingMemory = JobTables.byteCount(census)
  }

  /// Replays the recording and reports.
  /// - Parameters:
  ///   - manager: in strict mode, so that a touch of freed memory faults at once.
  ///   - memory: `workingMemory` bytes, aligned to 16, whose content does not matter.
  @unsafe
  public func run(
    on manager: MemoryManager, machine: inout some JobMachine, memory: UnsafeMutableRawBufferPointer,
    reportingTo sink: inout some TextSink
  ) -> JobOutcome {
    guard var tables = unsafe JobTables(census, in: memory) else {
      sink.write("the job's working memory is too small or not aligned\n")
      return .failed
    }
    let figures: TraceFigures
    do {
      figures = try TraceFigures(trace, pairingIn: &tables.order)
    } catch {
      error.write(to: &sink)
      return .badTrace
    }
    var replay = Replay(on: manager, tables: tables)
    let run = JobRun(figures: figures, replay: &replay, job: self, on: &machine)
    let report = Report(job: self, run: run, replay: replay)
    report.write(to: &sink)
    return run.isPassed(replay) ? .passed : .failed
  }
}
