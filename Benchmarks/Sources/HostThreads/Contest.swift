internal import CHost
internal import Synchronization

/// Pairs per second in all threads together.
struct Rate {
  /// By the clock on the wall.
  var wall = 0.0
  /// In as many seconds of processor time, which others on a busy host do not lengthen. A thread that sleeps
  /// in a mutex spends none.
  var processor = 0.0

  static func + (left: Rate, right: Rate) -> Rate {
    Rate(wall: left.wall + right.wall, processor: left.processor + right.processor)
  }
}

/// One contestant, set up, with what its rounds have shown.
final class Entrant {
  let name: String
  let threads: Int
  private var rates: [Rate] = []
  private let race: (_ milliseconds: Int) throws -> Rate

  init<C: Contestant>(_ name: String, _ type: C.Type, size: Int, threads: Int, liveAreas: Int) throws {
    let contestant = try C(cpus: threads, liveAreas: liveAreas)
    self.name = name
    self.threads = threads
    race = { milliseconds in
      try Race(contestant, size: size, threads: threads, milliseconds: milliseconds).rate()
    }
  }

  func runRound(milliseconds: Int) throws { rates.append(try race(milliseconds)) }

  /// Runs one round whose rate is not kept: caches fill, and memory is touched for the first time.
  func warmUp(milliseconds: Int) throws { _ = try race(milliseconds) }

  /// Processor time of a pair, in the median of its rounds.
  var nanoseconds: Double { Double(threads) * 1e9 / median(\.processor) }

  /// Of its rounds.
  func median(_ kind: KeyPath<Rate, Double>) -> Double {
    let sorted = rates.map { $0[keyPath: kind] }.sorted()
    let middle = sorted.count / 2
    if sorted.count % 2 == 1 { return sorted[middle] }
    return (sorted[middle - 1] + sorted[middle]) / 2
  }
}

/// One round of one contestant: a thread a CPU, all begun at once.
private final class Race<C: Contestant>: @unchecked Sendable {
  private static var pairsPerLook: Int { 64 }

  private let contestant: C
  private let size: Int
  private let threads: Int
  private let nanoseconds: UInt64
  private let waiting: Atomic<Int>
  private let running: Atomic<Int>
  private var runners: [Runner] = []

  private final class Runner {
    var rate = Rate()
    var error: (any Error)?
  }

  init(_ contestant: C, size: Int, threads: Int, milliseconds: Int) {
    self.contestant = contestant
    self.size = size
    self.threads = threads
    nanoseconds = UInt64(milliseconds) * 1_000_000
    waiting = Atomic(threads)
    running = Atomic(threads)
  }

  /// The sum of what the threads have done per second, each in the time that it took itself.
  func rate() throws -> Rate {
    runners = (0..<threads).map { _ in Runner() }
    let handles = (0..<threads).map { cpu in startThread { self.work(cpu) } }
    for handle in handles { chost_join_thread(handle) }
    for runner in runners { if let error = runner.error { throw error } }
    return runners.reduce(Rate()) { $0 + $1.rate }
  }

  private func work(_ cpu: Int) {
    contestant.play(cpu) {
      waiting.subtract(1, ordering: .acquiringAndReleasing)
      while waiting.load(ordering: .acquiring) > 0 { contestant.poll(cpu) }
      do { runners[cpu].rate = try run(cpu) } catch { runners[cpu].error = error }
      running.subtract(1, ordering: .acquiringAndReleasing)
      // Others may still wait for a flush.
      while running.load(ordering: .acquiring) > 0 {
        contestant.poll(cpu)
        sched_yield()
      }
      contestant.poll(cpu)
    }
  }

  private func run(_ cpu: Int) throws -> Rate {
    let (start, startOfWork) = (now(CLOCK_MONOTONIC), now(CLOCK_THREAD_CPUTIME_ID))
    var (pairs, elapsed) = (0, UInt64(0))
    repeat {
      for _ in 0..<Self.pairsPerLook {
        try contestant.pair(size, on: cpu)
        contestant.poll(cpu)
      }
      pairs += Self.pairsPerLook
      elapsed = now(CLOCK_MONOTONIC) - start
    } while elapsed < nanoseconds
    let worked = now(CLOCK_THREAD_CPUTIME_ID) - startOfWork
    return Rate(wall: Double(pairs) * 1e9 / Double(elapsed), processor: Double(pairs) * 1e9 / Double(worked))
  }
}

/// Nanoseconds.
private func now(_ clock: clockid_t) -> UInt64 {
  var time = timespec()
  clock_gettime(clock, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

private func startThread(_ body: @escaping () -> Void) -> chost_thread? {
  final class Start {
    let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
  }
  var thread: chost_thread?
  let start = Unmanaged.passRetained(Start(body)).toOpaque()
  let status = chost_start_thread(
    &thread,
    { context in if let context { Unmanaged<Start>.fromOpaque(context).takeRetainedValue().body() } },
    start)
  guard status == 0 else { fatalError("no thread: errno \(status)") }
  return thread
}
