import ArgumentParser
import LinuxMemory
import VmallocReplay

extension Policy {
  /// For an option, whose message says which word is wrong.
  static func parse(_ text: String) throws -> Policy {
    do {
      return try Policy(text)
    } catch {
      throw ValidationError(error.description)
    }
  }
}

/// Replays a trace on this package's memory manager.
struct Replay: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Replay a trace or a list on a simulated machine, under one policy or several side by side.",
    discussion: """
      FILE is the text of ftrace's trace file with the events of vmalloc, of trace-cmd report or of perf \
      script, or a copy of /proc/vmallocinfo, whose areas are allocated in the order of the list. With one \
      policy the report is that of the project's make run; with several it is a table. A POLICY is \
      \(Policy.words).

      EXAMPLES
        vmalloc replay trace.txt                                the whole report, every page verified
        vmalloc replay trace.txt --policy strict --policy lazy --policy warm,guard=0
        trace-cmd report | vmalloc replay - --no-verify         nothing is touched: for large recordings
        vmalloc replay --record 60 -o trace.txt                 record this kernel for a minute, as root
      """)

  @Argument(help: "The trace or list to replay; - is standard input.", completion: .file())
  var file: String?

  @Option(help: "How to allocate and free; may be given several times.", transform: Policy.parse)
  var policy: [Policy] = []

  @Option(help: "Replay it so many times, each time from nothing.")
  var laps: UInt64 = 1

  @Option(help: "Simulated RAM: 512M, 8G; as much as is needed, unless told otherwise.")
  var memory: String?

  @Flag(inversion: .prefixedNo, help: "Write and read every page, and touch guards and freed areas.")
  var verify = true

  @Flag(help: "List all areas that are live at the end, not only the first and the last.")
  var listing = false

  @Flag(help: "Refuse a trace with damaged lines or lost events, with the line's number.")
  var strict = false

  @Flag(name: [.customShort("j"), .long], help: "All figures of all policies as JSON.")
  var json = false

  @Option(help: "Record the running kernel's events for so many seconds first, with tracefs, as root.")
  var record: UInt32?

  @Option(name: .shortAndLong, help: "Where --record puts the trace.")
  var output = "trace.txt"

  @Option(help: ArgumentHelp("Where tracefs is mounted.", visibility: .hidden))
  var tracefs: String?

  @Option(help: "When to use colours: auto, always, never.")
  var color = ColorChoice.auto

  mutating func validate() throws {
    if file == nil, record == nil { throw ValidationError("Give a trace to replay, or --record SECONDS.") }
    if file != nil, record != nil { throw ValidationError("--record makes the trace: give no other one.") }
    if laps == 0 { throw ValidationError("--laps takes a number above zero.") }
    if let record, record == 0 { throw ValidationError("--record takes a number of seconds above zero.") }
    if let memory {
      guard let bytes = Sizes.parse(memory), bytes >= 1 << 20, bytes <= 256 << 30 else {
        throw ValidationError("--memory takes a size of 1M to 256G, not '\(memory)'.")
      }
    }
  }

  func run() throws {
    try ExitStatus.catching {
      if let record {
        try Tracefs(folder: tracefs).record(seconds: record, to: output)
        Screen.complain("vmalloc: the trace is in \(output).")
      }
      let bar = ProgressBar()
      let recording = try RecordingInput.read(file ?? output, isStrict: strict, bar)
      try replay(recording, bar)
    }
  }

  private func replay(_ recording: Recording, _ bar: ProgressBar) throws {
    var settings = ReplaySettings()
    settings.memory = memory.flatMap(Sizes.parse)
    settings.laps = laps
    settings.listsAllAreas = listing
    settings.isVerified = verify
    let policies = policy.isEmpty ? [try Policy("strict")] : policy
    var runs: [PolicyRun] = []
    for policy in policies {
      let run = try PolicyRun(recording, policy, settings) { bar.show("\(policy)", $0, of: $1) }
      bar.clear()
      runs.append(run)
    }
    print(runs)
    for note in recording.notes { Screen.complain("vmalloc: \(recording.name): \(note)") }
    if runs.contains(where: { !$0.isPassed }) { throw ExitStatus.limitMet.code }
  }

  private func print(_ runs: [PolicyRun]) {
    if json {
      Screen.write(PolicyTable.json(runs) + "\n")
    } else if runs.count == 1 {
      Screen.write(runs[0].report)
    } else {
      Screen.print(PolicyTable.lines(runs, width: Screen.width, Paint(color)))
    }
  }
}
