internal import CMachine
internal import Synchronization

// The shootdown: making every CPU forget
//
// Requests are numbered. A request says which ranges must be forgotten; it is complete when every CPU
// that is online has recorded a number at least as high. A CPU records the newest number that was there
// when its own flush began, so one flush serves all requests up to then, and a CPU that has flushed
// since needs no notification. A switch of the address space records nothing: global entries survive
// it.
//
// CPUs serve requests only outside the core, where interrupts are on. Code that reads page tables
// without a lock runs with interrupts off, so a request is not complete before it has left: a flush is
// also the grace period of the software walkers.
//
// A CPU that joins is online from the moment it has read the newest number, before it flushes: a later
// request waits for it.

/// Says that every CPU has served a request. Made nowhere but in this file.
struct FlushToken: ~Copyable {
  let number: UInt64

  fileprivate init(_ number: UInt64) { self.number = number }
}

@safe
struct Shootdown {
  /// Requests whose ranges are remembered; a CPU that is further behind flushes everything.
  static let memory: UInt64 = 16

  struct State: ~Copyable {
    let machine: Stable<Machine>
    let cpus: CPUs
    /// The ranges of request n are at n modulo `memory`. Under the lock.
    let ranges: Stable<FlushRanges>
    let participants: Stable<Participant>
    let lock: Stable<SpinLock>
    /// The newest request.
    let requested = Atomic<UInt64>(0)
  }

  struct Participant: ~Copyable {
    /// Not zero: requests wait for this CPU.
    let isOnline: Atomic<UInt32>
    /// The newest request that was there when this CPU's last flush began.
    let flushed: Atomic<UInt64>
  }

  private let state: Stable<State>

  /// `participants` and `lock` are cleared memory. The CPU that starts is online.
  init(
    machine: Stable<Machine>, cpus: CPUs, state: Stable<State>, ranges: Stable<FlushRanges>,
    participants: Stable<Participant>, lock: Stable<SpinLock>
  ) {
    self.state = state
    unsafe ranges.pointer.initialize(repeating: FlushRanges(), count: Int(Self.memory))
    unsafe state.pointer.initialize(
      to: State(machine: machine, cpus: cpus, ranges: ranges, participants: participants, lock: lock))
  }

  private var cpuCount: Int { state.value.cpus.count }
  var newest: UInt64 { state.value.requested.load(ordering: .acquiring) }

  /// Asks every CPU to forget `ranges`, and does so on this one. Waits for nobody. O(CPUs).
  /// - Returns: the number of the request.
  func request(_ ranges: FlushRanges, _ cpu: borrowing CPU) -> UInt64 {
    let number = state.value.lock.value.with(.requests, cpu) {
      let number = state.value.requested.load(ordering: .relaxed) &+ 1
      state.value.ranges[Int(number % Self.memory)].value = ranges
      state.value.requested.store(number, ordering: .releasing)
      return number
    }
    cmachine_step(cmachine_step_flush_requested)
    cpu.count(ranges.kind)
    serve(cpu)
    for other in 0..<cpuCount where other != cpu.number && !hasServed(other, number) {
      notify(other, cpu)
    }
    return number
  }

  /// Flushes on this CPU what it has been asked for.
  func serve(_ cpu: borrowing CPU) {
    let mine = state.value.participants[cpu.number]
    let done = mine.value.flushed.load(ordering: .relaxed)
    guard done != newest else { return }
    var ranges = FlushRanges()
    let upTo = state.value.lock.value.with(.requests, cpu) {
      let upTo = state.value.requested.load(ordering: .relaxed)
      if upTo &- done > Self.memory {
        ranges.addEverything()
      } else {
        for number in done &+ 1..<upTo &+ 1 {
          ranges.add(state.value.ranges[Int(number % Self.memory)].value, threshold: threshold)
        }
      }
      return upTo
    }
    cmachine_step(cmachine_step_flush_begun)
    ranges.flush(state.value.machine.value)
    cpu.count(.flushesServed)
    mine.value.flushed.store(upTo, ordering: .releasing)
    cmachine_step(cmachine_step_flush_confirmed)
  }

  /// Joins: from here on requests wait for this CPU, which has flushed all that it knew.
  func join(_ cpu: borrowing CPU) {
    let mine = state.value.participants[cpu.number]
    let upTo = state.value.lock.value.with(.requests, cpu) {
      mine.value.isOnline.store(1, ordering: .releasing)
      return state.value.requested.load(ordering: .relaxed)
    }
    var ranges = FlushRanges()
    ranges.addEverything()
    ranges.flush(state.value.machine.value)
    mine.value.flushed.store(upTo, ordering: .releasing)
  }

  /// Whether every CPU has served a request. O(CPUs).
  func isComplete(_ number: UInt64) -> Bool {
    for cpu in 0..<cpuCount where !hasServed(cpu, number) { return false }
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

  private func hasServed(_ cpu: Int, _ number: UInt64) -> Bool {
    #if Ablations
    if Ablation.flushLocalOnly.isOn && cpu != Int(cmachine_cpu_number()) { return true }
    #endif
    let participant = state.value.participants[cpu]
    return participant.value.isOnline.load(ordering: .acquiring) == 0
      || participant.value.flushed.load(ordering: .acquiring) >= number
  }

  func isOnline(_ cpu: Int) -> Bool {
    state.value.participants[cpu].value.isOnline.load(ordering: .acquiring) != 0
  }

  /// Interrupts another CPU.
  func notify(_ other: Int, _ cpu: borrowing CPU) {
    let machine = state.value.machine
    guard let notify = unsafe machine.value.notify else { return }
    cpu.count(.notifications)
    unsafe notify(machine.value.context, UInt32(truncatingIfNeeded: other))
  }

  /// Waits until every CPU has served a request, and serves those to this one meanwhile. Interrupts are on.
  func wait(for number: UInt64) {
    while !isComplete(number) {
      state.value.cpus.with { cpu in serve(cpu) }
      cmachine_relax()
      cmachine_step(cmachine_step_flush_waiting)
    }
  }

  var threshold: PageCount { state.value.machine.value.fullFlushThreshold }
}
