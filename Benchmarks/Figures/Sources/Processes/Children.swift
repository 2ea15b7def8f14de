import Dispatch
import Foundation
import Synchronization

/// How a program has ended.
public struct Ending: Equatable, Sendable {
  /// As a shell has it: 128 more than the number of the signal that ended it.
  public let status: Int32
  /// Whether it was ended because it took too long.
  public let isLate: Bool

  public init(status: Int32, isLate: Bool) {
    self.status = status
    self.isLate = isLate
  }

  public var isGood: Bool { status == 0 && !isLate }
}

/// The programs that run for us. What interrupts us ends each of them before it ends us, and then what they
/// have left behind, as SwiftPM does with compilers; from then on none begins, and nothing that waited for
/// one goes on.
public enum Children {
  private struct State {
    var running: Set<pid_t> = []
    var handled: Set<Int32> = []
    var isEnding = false
  }
  private static let state = Mutex(State())
  /// How long a program may take to end that was asked to.
  static let grace = Duration.seconds(20)

  static func start(_ command: Command) throws -> Child {
    let process: pid_t? = try state.withLock { state in
      guard !state.isEnding else { return nil }
      let process = try command.spawn(resetting: state.handled, mark: mark)
      state.running.insert(process)
      return process
    }
    guard let process else { waitForTheEnd() }
    return Child(process: process)
  }

  /// How a program has ended; nil while it has not.
  static func reap(_ process: pid_t) -> Int32? {
    let (status, isEnding) = state.withLock { state -> (Int32?, Bool) in
      var status: Int32 = 0
      guard waitpid(process, &status, WNOHANG) == process else { return (nil, false) }
      state.running.remove(process)
      let signal = status & 0x7F
      return (signal == 0 ? status >> 8 & 0xFF : 128 + signal, state.isEnding)
    }
    if isEnding { waitForTheEnd() }
    return status
  }

  static func signal(_ number: Int32, _ process: pid_t) {
    state.withLock { state in
      if state.running.contains(process) { kill(process, number) }
    }
  }

  private static func waitForTheEnd() -> Never { while true { sleep(1) } }

  /// From now on the signals that end a program end its children, too. One that was ignored stays ignored.
  public static func handleInterrupts() {
    let queue = DispatchQueue(label: "interrupts")
    for number in [SIGINT, SIGTERM, SIGHUP] where !isIgnored(number) {
      Foundation.signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler { end(by: number) }
      source.resume()
      state.withLock { _ = $0.handled.insert(number) }
      sources.append(source)
    }
  }

  /// Which nothing else holds; written when the program begins, alone.
  private nonisolated(unsafe) static var sources: [any DispatchSourceSignal] = []

  private static func isIgnored(_ number: Int32) -> Bool {
    let handler = Foundation.signal(number, SIG_DFL)
    _ = Foundation.signal(number, handler)
    return unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }

  private static func end(by number: Int32) {
    let running = state.withLock { state in
      state.isEnding = true
      return state.running
    }
    for process in running { signal(number, process) }
    let deadline = ContinuousClock.now + grace
    while state.withLock({ !$0.running.isEmpty }) {
      if ContinuousClock.now > deadline { for process in running { signal(SIGKILL, process) } }
      usleep(20_000)
    }
    for process in strays { kill(process, SIGTERM) }
    exit(128 + number)
  }

  /// By which those are known that ours have begun.
  private static let mark = "VMALLOC_TASK=\(UUID().uuidString)"

  /// What they have left behind, where there is a /proc.
  private static var strays: [pid_t] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { pid_t($0) }.filter { process in
      let environment = try? FileHandle(
        forReadingFrom: URL(fileURLWithPath: "/proc/\(process)/environ")
      ).readToEnd()
      return environment?.range(of: Data(mark.utf8)) != nil
    }
  }
}

/// A program that was started. Whoever starts one waits for its end.
public struct Child: Sendable {
  let process: pid_t

  /// - Parameters:
  ///   - limit: how long it may take until it is interrupted.
  ///   - tick: called each second until it has ended.
  @discardableResult public func wait(limit: Duration? = nil, tick: (() -> Void)? = nil) -> Ending {
    let began = ContinuousClock.now
    var pause: UInt32 = 1000
    var ticks = 0
    var isLate = false
    while true {
      if let status = Children.reap(process) { return Ending(status: status, isLate: isLate) }
      let taken = ContinuousClock.now - began
      if let limit, taken > limit {
        if !isLate { Children.signal(SIGINT, process) }
        if taken > limit + Children.grace { Children.signal(SIGKILL, process) }
        isLate = true
      }
      if let tick, taken.components.seconds > ticks {
        ticks = Int(taken.components.seconds)
        tick()
      }
      usleep(pause)
      pause = min(pause * 2, 50_000)
    }
  }
}

extension Command {
  /// Starts it, and does not wait for its end.
  public func start() throws -> Child { try Children.start(self) }
}
