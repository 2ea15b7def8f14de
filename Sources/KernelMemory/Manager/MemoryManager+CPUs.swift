internal import CMachine

// Several CPUs: who takes part, and how one waits for the others. All waiting of this package is here; it is
// done with interrupts on and no lock held, for a number that the caller carries, and whoever waits serves
// meanwhile what others wait for.

extension MemoryManager {
  /// Joins: called on a CPU other than the one that started, with interrupts off and right after it loads the
  /// root, before it uses the manager or an address of it. Until then the manager refuses it
  /// (`wrongContext`), and its TLB is nobody's concern. Called again it does nothing. A CPU whose number is
  /// not below `Machine.cpuCount` stops the machine.
  ///
  /// The root's managed ranges must not be walked before: a CPU that is not counted fills its walk caches by
  /// speculation, too. O(1), and a full flush.
  public func joinCPU() {
    let joined: Void? = cpus.withOwnBlock { cpu in
      guard !cpu.block.value.progress.isOnline else { return }
      quarantine.join(cpu)
    }
    if joined == nil { stop("a CPU joins whose number is not below Machine.cpuCount") }
  }

  /// Leaves, for a CPU that goes offline: gives back all that it holds, waits for the flushes of that, and
  /// from then on nobody waits for it. The caller runs on no other CPU meanwhile; afterwards this CPU uses no
  /// address of the manager, and loads another root, or halts, since it may go on filling its TLB by itself.
  /// `joinCPU` brings it back. Other CPUs' areas, objects and frames are untouched. Not for an interrupt
  /// handler.
  /// - Throws: `wrongContext` with interrupts off, in an NMI, and on the only CPU that is left.
  public func leaveCPU() throws(MemoryError) {
    try cpus.enter { _ in }
    guard cpus.mayWait, onlineCPUs > 1 else { throw failed(.wrongContext) }
    var departure = Departure.held
    while departure == .held { departure = drainAndLeave() }
    if departure == .last { throw failed(.wrongContext) }
  }

  private enum Departure {
    case gone
    /// The others have left meanwhile.
    case last
    /// An interrupt has brought something here meanwhile.
    case held
  }

  private func drainAndLeave() -> Departure {
    wait(for: drainThisCPU())
    return cpus.withOwnBlock { cpu in leave(cpu) } ?? .held
  }

  private func leave(_ cpu: borrowing CPU) -> Departure {
    guard !cpu.block.value.progress.isClosed else { return .held }
    cpu.block.value.progress.enter(quarantine.shootdown.newest | 1)
    let isEmpty = drainStep(cpu) && vmalloc.isEmpty(cpu)
    if isEmpty && quarantine.shootdown.leave(cpu) { return .gone }
    cpu.block.value.progress.exit()
    return isEmpty ? .last : .held
  }

  /// How many CPUs take part. O(CPUs).
  private var onlineCPUs: Int {
    var count = 0
    for cpu in 0..<cpus.count where quarantine.shootdown.isOnline(cpu) { count &+= 1 }
    return count
  }

  /// Serves what other CPUs have asked this one for: the handler of `Machine.notify`'s interrupt calls it. In
  /// an NMI that has interrupted this package, and on a CPU that has not joined, it does nothing. A flush,
  /// and at most one step of a drain: for the next one this CPU notifies itself.
  public func serveFlushes() {
    #if Ablations
    if Ablation.serveInNMI.isOn { _ = cpus.withOwnBlock { cpu in quarantine.shootdown.serve(cpu) } }
    #endif
    cpus.attempt(orElse: ()) { cpu in serveOrNotify(cpu) }
  }

  private func serveOrNotify(_ cpu: borrowing CPU) {
    if !serve(cpu) { quarantine.shootdown.notify(cpu.number, cpu) }
  }

  /// - Returns: false where a drain takes another step.
  private func serve(_ cpu: borrowing CPU) -> Bool {
    quarantine.shootdown.serve(cpu)
    return !quarantine.isDrainPending(cpu) || drainStep(cpu)
  }

  /// A step of a drain: areas, then objects, whose slabs are frames of the same batch, then its flush. The
  /// last one answers the newest drain that there was when it began.
  /// - Returns: false where another step is needed.
  private func drainStep(_ cpu: borrowing CPU) -> Bool {
    let drainEpoch = quarantine.drainEpoch
    var left = vmalloc.purge(budget: Work.step, all: true, cpu)
    // It goes through all caches, so not in every step.
    if left > 0 { left = slab.drain(budget: left, cpu) }
    guard left > 0, vmalloc.drain(budget: left, cpu) else { return false }
    cpu.block.value.progress.answer(drainEpoch)
    return true
  }

  /// Has everything completed that waits on this CPU, as far as no other CPU is needed, and asks the others
  /// for the rest.
  /// - Returns: the request to wait for.
  private func drainThisCPU() -> UInt64 {
    cpus.attempt(orElse: ()) { cpu in vmalloc.freeDropped(cpu) }
    while !cpus.attempt(orElse: true, { cpu in drainStep(cpu) }) {}
    return cpus.attempt(orElse: 0) { cpu in quarantine.awaited(cpu) }
  }
}

// MARK: - Waiting

extension MemoryManager {
  /// Waits until no CPU reaches what a request covers. Interrupts are on.
  func wait(for request: UInt64) {
    #if Ablations
    let request =
      Ablation.waitForThisCPU.isOn
      ? cpus.attempt(orElse: request) { cpu in cpu.block.value.progress.done } : request
    #endif
    // Who is at a look-up, and was not asked, ends it by itself.
    wait(notifies: !quarantine.shootdown.isBroadcast) { cpu in !quarantine.shootdown.isPast(cpu, request) }
  }

  /// Waits until every CPU has been outside the package since `Shootdown.askAll`. Interrupts are on.
  func waitForAll(_ request: UInt64) {
    wait { cpu in !quarantine.shootdown.hasServed(cpu, request) }
  }

  /// Waits for the CPUs that are behind, and notifies them again where they have been asked something.
  private func wait(notifies: Bool = true, whileBehind isBehind: (Int) -> Bool) {
    var turn: UInt64 = 0
    var reminder = max(1, machine.value.reminderTurns)
    while anyCPU(isBehind) {
      turn &+= 1
      if turn == reminder {
        remind(turn, notifies: notifies, isBehind)
        reminder &*= 2
      }
      waitATurn()
    }
  }

  /// One turn of waiting for another CPU.
  func waitATurn() {
    assert(cpus.count == 1 || cpus.mayWait, "a CPU waits that can serve nobody")
    cpus.attempt(orElse: ()) { cpu in _ = serve(cpu) }
    cmachine_wait(cmachine_step_flush_waiting)
  }

  private func anyCPU(_ isBehind: (Int) -> Bool) -> Bool {
    for cpu in 0..<cpus.count where isBehind(cpu) { return true }
    return false
  }

  /// Asks those again who are behind; whoever has been silent for long is reported.
  private func remind(_ turn: UInt64, notifies: Bool, _ isBehind: (Int) -> Bool) {
    let machine = machine
    #if Ablations
    if Ablation.joinUnanswered.isOn { return }
    #endif
    cpus.attempt(orElse: ()) { cpu in
      for other in 0..<cpus.count where other != cpu.number && isBehind(other) {
        if turn >= machine.value.silenceLimit { report(silent: other, cpu) }
        if notifies { quarantine.shootdown.notify(other, cpu) }
      }
    }
  }

  private func report(silent other: Int, _ cpu: borrowing CPU) {
    let machine = machine
    cpu.count(.silences)
    if let silent = unsafe machine.value.silent {
      unsafe silent(machine.value.context, UInt32(truncatingIfNeeded: other))
    }
  }

  /// Drains every CPU where waiting is allowed; else this one alone.
  /// - Returns: false where other CPUs would have had to be waited for, which is not allowed now.
  @inline(never)
  func drainAllCPUs(mayWait: Bool) -> Bool {
    guard cpus.count == 1 || mayWait && cpus.mayWait else {
      _ = drainThisCPU()
      return false
    }
    // What one drain asks to be flushed the next one completes; tables that this empties take another.
    for _ in 0..<4 {
      guard let drainEpoch = askForDrain() else { return false }
      wait { cpu in quarantine.isUnanswered(drainEpoch, by: cpu) }
      wait(for: quarantine.shootdown.newest)
    }
    return true
  }

  /// Starts a drain, and notifies those who have yet to make it.
  /// - Returns: its number; nil in an NMI.
  private func askForDrain() -> UInt64? {
    cpus.attempt(orElse: nil) { cpu in
      vmalloc.freeDropped(cpu)
      let drainEpoch = quarantine.startDrain(cpu)
      _ = serve(cpu)
      for other in 0..<cpus.count where other != cpu.number && quarantine.isUnanswered(drainEpoch, by: other)
      {
        quarantine.shootdown.notify(other, cpu)
      }
      return drainEpoch
    }
  }
}

// MARK: - Purging

extension MemoryManager {
  /// One step of purging, for an idle loop: completes frees, ages the warm cache, clears large areas that
  /// were freed, detaches empty tables. Never waits. O(budget). In an NMI that has interrupted the package,
  /// and on a CPU that has not joined, it does nothing, and says that there is nothing to do.
  /// - Parameter budget: pages of work; a default step takes at most some 20,000 instructions.
  /// - Returns: whether there is more to do on this CPU now. When there is not, areas may still be cached
  ///   for the next requests, and age with each later step: so an idle loop that halts calls it again when it
  ///   goes on, and `retained` says what is left.
  @discardableResult
  public func purge(budget: Int = 96) -> Bool {
    cpus.attempt(orElse: false) { cpu in
      vmalloc.freeDropped(cpu)
      _ = vmalloc.purgeAndSeal(budget: max(1, budget), all: false, cpu)
      return vmalloc.hasWork(cpu)
    }
  }

  /// Completes every free on every CPU and empties the caches: when this returns, no CPU translates
  /// through a freed address, and all freed memory is free. Waits for the other CPUs, whatever the mode.
  /// - Throws: `wrongContext` where it would have to wait for other CPUs with interrupts off, and in an NMI.
  public func flushRetired() throws(MemoryError) {
    try cpus.enter { _ in }
    guard cpus.count == 1 || cpus.mayWait, drainAllCPUs(mayWait: true) else { throw .wrongContext }
  }

  /// What an allocation adds to its share where this CPU is over its bound: waits for the flush of what is
  /// sealed, makes one step, and waits for the next flush, too, where frees have gone on so long that what
  /// was open is over the bound by itself.
  @inline(never)
  func reap() {
    guard cpus.count == 1 || cpus.mayWait else { return }
    wait(for: cpus.attempt(orElse: 0) { cpu in quarantine.awaited(cpu) })
    wait(for: cpus.attempt(orElse: 0) { cpu in vmalloc.reapStep(cpu) })
  }

  /// Waits for a flush that was requested where entries were cleared, and completes what is flushed on this
  /// CPU. Where waiting is not legal the flush goes on by itself.
  func finishFlush(_ request: UInt64) {
    guard cpus.count == 1 || cpus.mayWait else { return }
    wait(for: request)
    cpus.attempt(orElse: ()) { cpu in _ = quarantine.complete(limit: .max, cpu) }
  }
}
