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
  public var machineAreas: ArenaID?
  /// What the job runs on, for the first line of the report.
  public var machineName: StaticString = "a machine"

  /// Guard pages behind each area; nil for as many as were recorded.
  public var guardPages: UInt16?
  /// How large the leaves of areas may be.
  public var leaves = LeafPolicy.largeWherePossible
  public var verification = Verification.everything
  /// Addresses that may be freed and not flushed, in bytes, before the replay asks for their flush; nil
  /// leaves that to the manager.
  public var bound: UInt64?

  public init() {}

  fileprivate var withOneLapAtLeast: JobOptions {
    var options = self
    options.laps = max(1, laps)
    return options
  }
}

/// How much of a replay is verified by loads and stores.
public enum Verification: Equatable, Sendable {
  /// Live areas, guards, and that freed areas fault, which only a manager in strict mode promises.
  case everything
  /// Live areas and guards.
  case liveAreas
  /// Nothing is touched, so simulated RAM takes no memory.
  case nothing
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
    var session = ReplaySession(
      on: manager, census: census, figures: figures, options: options, tables: tables)
    var lap: UInt64 = 0
    repeat {
      lap += 1
    } while session.runLap(of: trace, isLast: lap == options.laps, on: &machine) && lap < options.laps
    session.close()
    session.writeReport(to: &sink)
    return session.isPassed ? .passed : .failed
  }
}

extension ReplaySession {
  /// Replays the recording once. It has been counted and paired: nothing in it is malformed.
  fileprivate mutating func runLap(
    of trace: TraceText, isLast: Bool, on machine: inout some JobMachine
  ) -> Bool {
    var reader = TraceReader(trace)
    while let event = try? reader.next() {
      switch event {
      case .allocation(let allocation) where !allocation.failed:
        guard allocate(allocation, line: reader.line, on: &machine) else { return false }
      case .free(let address):
        guard free(address, line: reader.line, on: &machine) else { return false }
      case .allocation, .purge, .other: break
      }
    }
    return endLap(line: reader.line, isLast: isLast, on: &machine)
  }
}
