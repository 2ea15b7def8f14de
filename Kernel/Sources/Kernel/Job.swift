import BareMetal
import BootReplay
import KernelMemory

// The main job: the trace from the loader's first module, replayed on this machine. Its tables are
// mapped by hand, in a range of their own, so that nothing of them shows in the figures of the areas
// that it makes: they are the same as on the simulated machine.

/// The replay of a trace.
struct Job {
  let manager: MemoryManager
  let trace: LoadedFile
  let options: Options

  /// Runs it, reports, and says how it went.
  func run() -> ExitStatus {
    var console = SerialPort.console
    do throws(TraceError) {
      let job = try unsafe BootJob(trace: traceBytes, options: jobOptions)
      let memory = unsafe workingMemory(job.workingMemory)
      var processor = Processor()
      let outcome = unsafe job.run(
        on: manager, machine: &processor, memory: memory, reportingTo: &console)
      if let problem = manager.validate() {
        console.write("an invariant of the manager does not hold: ")
        console.write(problem)
        console.newline()
        return .jobFailed
      }
      return Self.status(of: outcome)
    } catch {
      error.write(to: &console)
      return .badInput
    }
  }

  private var jobOptions: JobOptions {
    var result = JobOptions()
    result.laps = options.laps
    result.listsAllAreas = options.listsAll
    result.machineAreas = Processors.areas
    result.machineName = Platform.name
    return result
  }

  private static func status(of outcome: JobOutcome) -> ExitStatus {
    switch outcome {
    case .passed: .success
    case .failed: .jobFailed
    case .badTrace: .badInput
    }
  }

  /// The module is kept RAM, so the linear map has it.
  private var traceBytes: UnsafeRawBufferPointer {
    let start = AddressSpace.linearMap.virtualAddress(of: trace.start)
    return unsafe UnsafeRawBufferPointer(start: start.pointer, count: Int(clamping: trace.byteCount))
  }

  /// Scattered frames, mapped one behind the other.
  private func workingMemory(_ byteCount: Int) -> UnsafeMutableRawBufferPointer {
    let first = AddressSpace.jobRange.first
    let count = PageCount(bytes: UInt64(byteCount), Platform.pageSize).rawValue
    do throws(MemoryError) {
      for page in first.rawValue..<first.rawValue + count {
        let frame = try manager.allocateFrames()
        let here = PageRange(from: PageNumber(page), upTo: PageNumber(page + 1))
        try manager.map(here, to: frame, MappingAttributes(.readWrite))
      }
    } catch {
      panic { console in
        console.write("no memory for the job's own tables: ")
        console.write(error)
      }
    }
    let start = unsafe first.address(Platform.pageSize).pointer
    return unsafe UnsafeMutableRawBufferPointer(start: start, count: byteCount)
  }
}
