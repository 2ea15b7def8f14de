internal import Synchronization

// Drains: every CPU is asked to give back what it keeps. They are numbered, as requests are; a CPU answers
// the newest that there was when it began to give back (`CPUProgress`).

extension Quarantine {
  /// Starts a drain.
  /// - Returns: its number.
  func startDrain(_ cpu: borrowing CPU) -> UInt64 {
    shootdown.locked(cpu) {
      let drainEpoch = state.value.drainEpoch.load(ordering: .relaxed) &+ 1
      state.value.drainEpoch.store(drainEpoch, ordering: .releasing)
      return drainEpoch
    }
  }

  /// The newest drain.
  var drainEpoch: UInt64 { state.value.drainEpoch.load(ordering: .acquiring) }

  /// Whether this CPU has yet to make the newest drain.
  func isDrainPending(_ cpu: borrowing CPU) -> Bool {
    cpu.block.value.progress.answered != drainEpoch
  }

  /// Whether a CPU that takes part has yet to make a drain.
  func isUnanswered(_ drainEpoch: UInt64, by number: Int) -> Bool {
    frames.cpus.block(number).value.progress.answered < drainEpoch
  }

  /// Takes part from here on, in what is asked from here on.
  func join(_ cpu: borrowing CPU) {
    shootdown.join(
      drainEpoch: {
        #if Ablations
        if Ablation.joinUnanswered.isOn { return 0 }
        #endif
        return state.value.drainEpoch.load(ordering: .relaxed)
      }, cpu)
  }
}
