internal import BootReplay
internal import ComputerSimulation
internal import KernelMemory

// The main job without an emulator: the same job, manager and page tables as in the booted kernel, on a
// machine that is simulated in this process. What it prints of areas, entries and tables is the same.

@main
struct SimulatedRun {
  static func main() {
    let status = run(Array(CommandLine.arguments.dropFirst()))
    fflush(nil)
    exit(Int32(status))
  }

  /// Does what the command line asks for; returns the exit status.
  static func run(_ words: [String]) -> UInt8 {
    do throws(Arguments.Refusal) {
      let arguments = try Arguments(words)
      return arguments.wantsHelp ? printUsage() : run(arguments)
    } catch {
      complain(error.message + "; --help tells more")
      return JobOutcome.badTrace.exitStatus
    }
  }

  private static func printUsage() -> UInt8 {
    var output = StandardOutput()
    for byte in Arguments.usage.utf8 { output.write(byte) }
    return 0
  }

  private static func run(_ arguments: Arguments) -> UInt8 {
    if let mode = arguments.comparedMode { return compare(in: mode, arguments) }
    let trace: [UInt8]
    do throws(File.Failure) {
      trace = try File.bytes(at: arguments.trace)
    } catch {
      complain("cannot read \(arguments.trace): \(error.reason)")
      return JobOutcome.badTrace.exitStatus
    }
    do throws(SimulatedComputer.Failure) {
      var computer = try SimulatedComputer(memory: arguments.memory, levels: arguments.levels)
      return run(trace, arguments, on: &computer).exitStatus
    } catch {
      complain("the simulated machine does not start: \(error)")
      return JobOutcome.failed.exitStatus
    }
  }

  /// Nothing counts instructions here; all else is counted as in the booted kernel.
  private static func compare(in mode: FreeMode, _ arguments: Arguments) -> UInt8 {
    do throws(SimulatedComputer.Failure) {
      let computer = try SimulatedComputer(
        memory: arguments.memory, mode: mode, levels: arguments.levels)
      var output = StandardOutput()
      do throws(MemoryError) {
        try Comparison(on: computer.manager, mode: mode).run(clock: { nil }, reportingTo: &output)
      } catch {
        throw .memory(error)
      }
      return 0
    } catch {
      complain("the comparison was refused: \(error)")
      return JobOutcome.failed.exitStatus
    }
  }

  /// Replays `trace` on `computer`, and prints the report.
  private static func run(
    _ trace: [UInt8], _ arguments: Arguments, on computer: inout SimulatedComputer
  ) -> JobOutcome {
    var options = JobOptions()
    options.laps = arguments.laps
    options.listsAllAreas = arguments.listsAllAreas
    options.machineName = "the simulated machine"
    var output = StandardOutput()
    return computer.run(trace, options, reportingTo: &output)
  }
}
