// A recording under a policy
//
// The replay, its verification and its report are those of `make run` (BootReplay), on the same simulated
// computer; only who reads the events differs. The simulated RAM is as large as the recording needs, with
// room for what a lazy manager keeps. RAM that nobody touches takes no memory here, so without verification a
// recording of hundreds of gigabytes can be replayed on a laptop.
internal import BootReplay
internal import ComputerSimulation
internal import KernelMemory
public import LinuxMemory

/// How a recording is replayed, whatever the policy.
public struct ReplaySettings: Sendable {
  /// Bytes of simulated RAM; nil for as many as the recording needs.
  public var memory: UInt64?
  public var laps: UInt64 = 1
  public var listsAllAreas = false
  /// Whether pages are written, read back, and touched after their free, as far as the mode promises
  /// anything.
  public var isVerified = true
  /// Whether areas, their frames and the course of the counters are kept for a picture.
  public var keepsPicture = false

  public init() {}
}

/// Why there is no result.
public enum ReplayFailure: Error, CustomStringConvertible {
  case noMachine(String)

  public var description: String {
    switch self {
    case .noMachine(let reason): "The simulated machine does not start: \(reason)."
    }
  }
}

/// What a recording came to under one policy.
public struct PolicyRun: Sendable {
  public let policy: Policy
  /// Figures by the names that the report's last lines have.
  public let figures: [String: UInt64]
  /// The whole report, as `make run` prints it.
  public let report: String
  public let isPassed: Bool
  /// Why the replay did not get to its end; empty where it did.
  public let refusal: String
  public let picture: Picture?

  public subscript(_ name: String) -> UInt64 { figures[name] ?? 0 }
}

extension PolicyRun {
  /// Replays a recording.
  /// - Parameter progress: called from time to time with the events done and all of them.
  public init(
    _ recording: Recording, _ policy: Policy, _ settings: ReplaySettings = ReplaySettings(),
    progress: (Int, Int) -> Void = { _, _ in }
  ) throws(ReplayFailure) {
    var computer: SimulatedComputer
    do throws(SimulatedComputer.Failure) {
      computer = try SimulatedComputer(
        memory: settings.memory ?? recording.suitableMemory, mode: policy.mode,
        hasGigabyteLeaves: policy.hasGigabyteLeaves,
        fullFlushThreshold: policy.flushThreshold.map { PageCount($0) }
          ?? SimulatedComputer.usualFlushThreshold)
    } catch {
      throw .noMachine("\(error)")
    }
    let names = NameArena(recording.names)
    let census = recording.census
    let memory = UnsafeMutableRawBufferPointer.allocate(
      byteCount: ReplaySession.workingMemory(for: census), alignment: 16)
    defer { unsafe memory.deallocate() }
    guard
      var session = unsafe ReplaySession(
        on: computer.manager, census: census, figures: recording.figures, options: policy.options(settings),
        memory: memory)
    else { throw .noMachine("its working memory is too small") }
    var run = Run(recording, settings, names)
    run.play(&session, on: &computer, progress)
    self.init(policy, session, run.picture?.finished(recording))
    _ = consume names
  }

  private init(_ policy: Policy, _ session: ReplaySession, _ picture: Picture?) {
    self.policy = policy
    self.picture = picture
    var figures: [String: UInt64] = [:]
    session.forEachFigure { name, value in figures["\(name)"] = value }
    self.figures = figures
    var text = TextBuffer()
    session.writeReport(to: &text)
    report = text.text
    isPassed = session.isPassed
    var reason = TextBuffer()
    session.writeRefusal(to: &reason)
    refusal = reason.text.split(separator: "\n").first.map(String.init) ?? ""
  }
}

extension Recording {
  /// Twice what was live at once, and some: what a lazy manager keeps lies within its bound.
  fileprivate var suitableMemory: UInt64 { min(256 << 30, figures.peakBytes / 4096 * 4096 * 2 + (768 << 20)) }
}

extension Policy {
  fileprivate func options(_ settings: ReplaySettings) -> JobOptions {
    var options = JobOptions()
    options.laps = settings.laps
    options.listsAllAreas = settings.listsAllAreas
    options.machineName = "the simulated machine"
    options.guardPages = guardPages
    options.leaves = leaves
    options.bound = bound
    options.verification = !settings.isVerified ? .nothing : mode == .strict ? .everything : .liveAreas
    return options
  }
}

/// The events, one after the other.
private struct Run {
  private let recording: Recording
  private let settings: ReplaySettings
  private let names: NameArena
  private(set) var picture: PictureRecorder?

  init(_ recording: Recording, _ settings: ReplaySettings, _ names: NameArena) {
    self.recording = recording
    self.settings = settings
    self.names = names
    if settings.keepsPicture { picture = PictureRecorder(recording) }
  }

  mutating func play(
    _ session: inout ReplaySession, on computer: inout SimulatedComputer, _ progress: (Int, Int) -> Void
  ) {
    let count = recording.events.count
    let total = count * Int(settings.laps)
    let lastLine = recording.counts.lines
    for lap in 1...settings.laps {
      let isLast = lap == settings.laps
      for (index, event) in recording.events.enumerated() {
        guard play(event, index, isLast, &session, &computer) else { break }
        if index & 255 == 0 { progress(count * Int(lap - 1) + index, total) }
      }
      if isLast {
        session.end(line: lastLine, on: &computer)
      } else {
        _ = session.endLap(line: lastLine, isLast: false, on: &computer)
      }
    }
    progress(total, total)
  }

  private mutating func play(
    _ event: Recording.Event, _ index: Int, _ isLast: Bool, _ session: inout ReplaySession,
    _ computer: inout SimulatedComputer
  ) -> Bool {
    switch event.kind {
    case .allocation:
      let allocation = TraceAllocation(
        task: names[recording.owner(of: event)], address: event.address, byteCount: event.byteCount,
        alignment: 1 << UInt64(event.alignmentShift), range: recording.ranges[Int(event.range)], failed: false
      )
      guard session.allocate(allocation, line: event.line, on: &computer) else { return false }
      if isLast {
        picture?.allocate(event, index, at: session.address(ofRecorded: event.address), computer.manager)
      }
    case .free:
      if isLast { picture?.free(event, index) }
      guard session.free(event.address, line: event.line, on: &computer) else { return false }
    }
    if isLast { picture?.sample(index, session, computer.manager) }
    return true
  }
}

/// The names of tasks in memory that stays where it is, as the replay wants them.
@safe
private final class NameArena {
  private let memory: UnsafeMutableRawBufferPointer
  private var ends: [Int] = [0]

  init(_ names: NameTable) {
    let all = (0..<UInt32(names.count)).map { number in
      let bytes = names.bytes(of: number)
      return bytes.isEmpty ? Array("(unknown)".utf8) : bytes
    }
    unsafe memory = UnsafeMutableRawBufferPointer.allocate(
      byteCount: max(1, all.reduce(0) { $0 + $1.count }), alignment: 1)
    for name in all {
      let start = ends[ends.count - 1]
      for (offset, byte) in name.enumerated() { unsafe memory[start + offset] = byte }
      ends.append(start + name.count)
    }
  }

  deinit { unsafe memory.deallocate() }

  subscript(number: UInt32) -> TraceText {
    let range = ends[Int(number)]..<ends[Int(number) + 1]
    return unsafe TraceText(UnsafeRawBufferPointer(rebasing: memory[range]))
  }
}
