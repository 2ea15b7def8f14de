internal import CMachine
internal import Synchronization

// The shootdown: making every CPU forget
//
// Requests are numbered, by even numbers. A request says which ranges must be forgotten; it is complete when
// every CPU that has joined has recorded a number at least as high (`CPUProgress`). A CPU records the newest
// number that was there when its own flush began, so one flush serves all requests up to then, and a CPU that
// has flushed since needs no notification. A switch of the address space records nothing: global entries
// survive it.
//
// CPUs serve requests only outside the core, where interrupts are on, or between two walks. So where CPUs
// flush by interrupt a complete request says that software walkers have passed, too: whoever reads page
// tables without a lock has interrupts off.
//
// Where one CPU's flush reaches the TLBs of all (`Machine.flushReachesAllCPUs`) no CPU is asked: a request is
// made when its flush is done, and it is complete when every CPU was seen outside the package, or at what
// began after the request (`CPUProgress.isPast`). Some removals wait for more, that each CPU has been outside
// once (`askAll`): for those CPUs are interrupted there, too.
//
// Who waits, waits for a number. It is taken in the same section that cleared the entries, and carried: once
// interrupts are on, the caller may be on another CPU. While it waits it serves what it is asked, and asks
// again, more and more seldom, whoever is behind.
//
// A CPU joins by claiming the newest request and drain, in one critical section, before it flushes: from then
// on requests wait for it, and those before treat it as absent, which it was.

/// Says that no CPU reaches what a request covers. Made nowhere but in this file.
struct FlushToken: ~Copyable {
  let number: UInt64

  fileprivate init(_ number: UInt64) { self.number = number }
}

@safe
struct Shootdown {
  /// Requests whose ranges are remembered, some 2 KiB. A CPU 16 behind has more than a full flush to do.
  static let history: UInt64 = 16

  struct State: ~Copyable {
    let machine: Stable<Machine>
    let cpus: CPUs
    /// The ranges of request n are at n / 2 modulo `history`. Under the lock.
    let ranges: Stable<FlushRanges>
    let lock: Stable<SpinLock>
    /// Whether a flush of one CPU is one of all.
    let isBroadcast: Bool
  }

  private let state: Stable<State>

  init(
    _ machine: Stable<Machine>, _ cpus: CPUs, carving memory: inout some Carver & ~Copyable
  ) throws(MemoryError) {
    state = try memory.carve(1)
    let ranges: Stable<FlushRanges> = try memory.carve(Int(Self.history))
    unsafe ranges.pointer.initialize(repeating: FlushRanges(), count: Int(Self.history))
    unsafe state.pointer.initialize(
      to: State(
        machine: machine, cpus: cpus, ranges: ranges, lock: try memory.carve(1),
        isBroadcast: machine.value.flushReachesAllCPUs && cmachine_fences_lookups()))
  }

  var machine: Stable<Machine> { state.value.machine }
  var isBroadcast: Bool { state.value.isBroadcast }
  private var cpus: CPUs { state.value.cpus }
  private var requested: Stable<Atomic<UInt64>> { state.value.cpus.requested }
  /// The newest request.
  var newest: UInt64 { requested.value.load(ordering: .acquiring) & ~1 }
  /// Under the lock, where nobody makes another.
  private var newestLocked: UInt64 { requested.value.load(ordering: .relaxed) & ~1 }

  /// The ranges of a request.
  private func ranges(of number: UInt64) -> Stable<FlushRanges> {
    state.value.ranges[Int((number &>> 1) % Self.history)]
  }

  /// Works on what all requests share.
  func locked<Result: ~Copyable>(_ cpu: borrowing CPU, _ body: () -> Result) -> Result {
    state.value.lock.value.with(.requests, cpu, body)
  }

  /// Asks every CPU to forget `ranges`, and does so on this one; or has all of them forget. Waits for nobody.
  /// O(CPUs). Never in the middle of a look-up.
  /// - Returns: the number of the request.
  func request(_ ranges: FlushRanges, _ cpu: borrowing CPU) -> UInt64 {
    guard isBroadcast else { return ask(ranges, cpu) }
    #if Ablations
    if Ablation.flushLocalOnly.isOn { return publish(ranges, cpu) }
    #endif
    if !ranges.isEmpty { cpu.count(ranges.kind) }
    cmachine_step(cmachine_step_flush_begun)
    ranges.flush(state.value.machine.value)
    // What was cleared is seen before anybody's epoch is read. A flush of nothing is no barrier.
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    cpu.count(.flushesServed)
    let number = publish(ranges, cpu)
    cpu.block.value.progress.renew(number | 1)
    return number
  }

  /// Asks every CPU to be outside the package once, behind what this one has done. Waits for nobody. O(CPUs).
  /// - Returns: the number of the request, which is complete when all have served it (`hasServed`).
  func askAll(_ cpu: borrowing CPU) -> UInt64 { ask(FlushRanges(), cpu) }

  private func ask(_ ranges: FlushRanges, _ cpu: borrowing CPU) -> UInt64 {
    let number = publish(ranges, cpu)
    if !ranges.isEmpty { cpu.count(ranges.kind) }
    serve(cpu)
    for other in 0..<cpus.count where other != cpu.number && !hasServed(other, number) {
      notify(other, cpu)
    }
    return number
  }

  private func publish(_ ranges: FlushRanges, _ cpu: borrowing CPU) -> UInt64 {
    let number = locked(cpu) {
      let number = newestLocked &+ 2
      self.ranges(of: number).value = ranges
      requested.value.store(number | 1, ordering: .releasing)
      return number
    }
    cmachine_step(cmachine_step_flush_requested)
    return number
  }

  /// Flushes on this CPU what it has been asked for. Never in the middle of a walk.
  func serve(_ cpu: borrowing CPU) {
    let done = cpu.block.value.progress.done
    guard done != newest else { return }
    // What was to be forgotten is, by then.
    guard !isBroadcast else { return cpu.block.value.progress.flushed(newest) }
    var ranges = FlushRanges()
    #if Ablations
    let upTo =
      Ablation.unlockedRequests.isOn
      ? collect(&ranges, after: done) : locked(cpu) { collect(&ranges, after: done) }
    #else
    let upTo = locked(cpu) { collect(&ranges, after: done) }
    #endif
    cmachine_step(cmachine_step_flush_begun)
    #if Ablations
    if Ablation.confirmBeforeFlush.isOn {
      cpu.block.value.progress.flushed(upTo)
      cmachine_step(cmachine_step_flush_confirmed)
    }
    #endif
    ranges.flush(state.value.machine.value)
    cpu.count(.flushesServed)
    cpu.block.value.progress.flushed(upTo)
    cmachine_step(cmachine_step_flush_confirmed)
  }

  /// Adds what was requested after `done`. Under the lock.
  /// - Returns: the newest request.
  private func collect(_ ranges: inout FlushRanges, after done: UInt64) -> UInt64 {
    let upTo = newestLocked
    #if Ablations
    let history = Self.history &+ (Ablation.forgetOldestRequest.isOn ? 1 : 0)
    #else
    let history = Self.history
    #endif
    guard upTo &- done <= 2 &* history else {
      ranges.addEverything()
      return upTo
    }
    for number in stride(from: done &+ 2, through: upTo, by: 2) {
      cmachine_step(cmachine_step_request_read)
      ranges.add(self.ranges(of: number).value, threshold: threshold)
    }
    return upTo
  }

  /// Joins, with interrupts off: claims what there is, in one critical section, and flushes all that the CPU
  /// knows.
  /// - Parameter drainEpoch: the newest drain, read under the lock.
  func join(drainEpoch: () -> UInt64, _ cpu: borrowing CPU) {
    #if Ablations
    if Ablation.joinAfterFlush.isOn {
      var everything = FlushRanges()
      everything.addEverything()
      everything.flush(state.value.machine.value)
      cmachine_step(cmachine_step_flush_confirmed)
      locked(cpu) {
        cpu.block.value.progress.join(requested: newestLocked, drainEpoch: drainEpoch())
      }
      return cpu.block.value.progress.open()
    }
    #endif
    locked(cpu) {
      cpu.block.value.progress.join(requested: newestLocked, drainEpoch: drainEpoch())
    }
    var everything = FlushRanges()
    everything.addEverything()
    cmachine_step(cmachine_step_flush_begun)
    everything.flush(state.value.machine.value)
    cmachine_step(cmachine_step_flush_confirmed)
    cpu.block.value.progress.open()
  }

  /// Leaves, with interrupts off: from here on nobody waits for this CPU.
  /// - Returns: false, with nothing changed, where no other CPU takes part.
  func leave(_ cpu: borrowing CPU) -> Bool {
    locked(cpu) {
      for other in 0..<cpus.count where other != cpu.number && isOnline(other) {
        cpu.block.value.progress.close()
        return true
      }
      return false
    }
  }

  /// Whether no CPU reaches what a request covers. O(CPUs).
  func isComplete(_ number: UInt64) -> Bool {
    for cpu in 0..<cpus.count where !isPast(cpu, number) { return false }
    return true
  }

  /// The token of a request that is complete.
  func token(for number: UInt64) -> FlushToken? {
    #if Ablations
    if Ablation.skipFlushGeneration.isOn { return FlushToken(number) }
    #endif
    return isComplete(number) ? FlushToken(number) : nil
  }

  func fail(_ message: StaticString) -> Never { state.value.machine.value.fail(message) }

  /// Whether a CPU reaches nothing of what a request covers, neither by its TLB nor by a look-up.
  func isPast(_ cpu: Int, _ number: UInt64) -> Bool {
    guard isBroadcast else { return hasServed(cpu, number) }
    #if Ablations
    if Ablation.ignoreEpochs.isOn { return true }
    #endif
    return cpus.block(cpu).value.progress.isPast(number)
  }

  /// Whether a CPU has served a request, or need not: one that is away is ahead of all.
  func hasServed(_ cpu: Int, _ number: UInt64) -> Bool {
    #if Ablations
    if Ablation.flushLocalOnly.isOn && cpu != Int(cmachine_cpu_number()) { return true }
    #endif
    return cpus.block(cpu).value.progress.done >= number
  }

  func isOnline(_ cpu: Int) -> Bool { cpus.block(cpu).value.progress.isOnline }

  /// Interrupts another CPU.
  func notify(_ other: Int, _ cpu: borrowing CPU) {
    let machine = state.value.machine
    guard let notify = unsafe machine.value.notify else { return }
    cpu.count(.notifications)
    unsafe notify(machine.value.context, UInt32(truncatingIfNeeded: other))
  }

  var threshold: PageCount { state.value.machine.value.fullFlushThreshold }
  /// Whether CPUs forget tables in a flush of everything alone.
  var rangesSpareTables: Bool {
    #if Ablations
    if Ablation.rangesForTables.isOn { return false }
    #endif
    return cmachine_ranges_may_spare_tables() && state.value.machine.value.rangesSpareTables
  }
}
