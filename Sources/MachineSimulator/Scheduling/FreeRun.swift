@unsafe @preconcurrency internal import CMachine  // its variables are one a thread
internal import Synchronization

// All CPUs at once, each on a thread of its own, as fast as they go: for ThreadSanitizer, which sees what
// two threads touch without an order between them, and for figures.

extension SimulatedMachine {
  /// Runs a closure on each CPU, all at once, and returns when all are done and no interrupt is
  /// pending. A CPU that is done, or has no closure, takes interrupts until then. Interrupts are taken
  /// at steps.
  /// - Parameters:
  ///   - bodies: what each CPU runs, from CPU 0 on.
  ///   - seed: for where threads offer the processor to others, which mixes them more.
  /// - Throws: what the CPU with the lowest number has thrown.
  public func runFreely(_ bodies: [() throws -> Void], seed: UInt64 = 0) throws {
    guard bodies.count <= cpus.count else {
      stop("a program for \(bodies.count) CPUs on a machine with \(cpus.count)")
    }
    guard !hardware.broadcastsFlushes else {
      stop("a CPU's caches are its own thread's where CPUs run freely, so that no other can invalidate them")
    }
    memory.hidden?.showAll()
    let run = FreeRun(self, running: bodies.count)
    let players = cpus.indices.map { cpu in
      FreePlayer(run, cpu, bodies.indices.contains(cpu) ? bodies[cpu] : nil, seed: seed)
    }
    let threads = players.map { player in startThread { player.work() } }
    for thread in threads { thread.join() }
    for player in players { if let error = player.error { throw error } }
  }
}

/// What the threads of a run share.
private final class FreeRun {
  let machine: SimulatedMachine
  /// The CPUs that have not ended their closures.
  let running: Atomic<Int>

  init(_ machine: SimulatedMachine, running: Int) {
    self.machine = machine
    self.running = Atomic(running)
  }
}

/// One CPU of a run.
private final class FreePlayer: StepHandler {
  private(set) var error: (any Error)?
  private let run: FreeRun
  private let cpu: Int
  private let body: (() throws -> Void)?
  private var random: SplitMix64

  /// One step in so many offers the processor.
  private static let stepsPerYield: UInt64 = 16

  init(_ run: FreeRun, _ cpu: Int, _ body: (() throws -> Void)?, seed: UInt64) {
    self.run = run
    self.cpu = cpu
    self.body = body
    random = SplitMix64(state: seed &+ UInt64(cpu) << 32)
  }

  func work() {
    play(cpu)
    if let body {
      do { try body() } catch { self.error = error }
      if !cmachine_interrupts_are_enabled() { stop("CPU \(cpu) has ended with interrupts off") }
      run.running.subtract(1, ordering: .acquiringAndReleasing)
    }
    while run.running.load(ordering: .acquiring) > 0 {
      run.machine.takeInterrupt()
      HostThread.yield()
    }
    run.machine.takeInterrupt()
  }

  override var runsFreely: Bool { true }

  override func take(_ step: Step) {
    if cmachine_interrupts_are_enabled() { run.machine.takeInterrupt() }
    if step.isWaiting || random.next() % Self.stepsPerYield == 0 { HostThread.yield() }
  }
}
