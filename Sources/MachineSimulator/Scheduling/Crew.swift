/// Threads that play the CPUs of one run after another: a thread a CPU. A thread sleeps until it is its
/// turn; whoever runs gives the turn away, so that what one has written the next one sees.
final class Crew {
  /// By CPU.
  let turns: [Semaphore]
  /// Signalled at the end of a run.
  let end = Semaphore()
  private var run: ScheduledRun?

  init(count: Int) {
    turns = (0..<count).map { _ in Semaphore() }
    for cpu in 0..<count { startThread { self.work(cpu) } }
  }

  private func work(_ cpu: Int) {
    while true {
      turns[cpu].wait()
      guard let run else { return }
      run.resume(cpu)
    }
  }

  func begin(_ run: ScheduledRun, with cpu: Int) {
    self.run = run
    turns[cpu].signal()
    end.wait()
  }

  func dismiss() {
    run = nil
    for turn in turns { turn.signal() }
  }
}

/// The crew of the machine size that was last asked for.
final class Crews {
  private var crew: Crew?

  func crew(of count: Int) -> Crew {
    if let crew, crew.turns.count == count { return crew }
    dismiss()
    let crew = Crew(count: count)
    self.crew = crew
    return crew
  }

  func dismiss() {
    crew?.dismiss()
    crew = nil
  }

  /// Threads in the middle of a program cannot be made to leave it: they sleep from now on, and keep
  /// what they use.
  func abandon() { crew = nil }
}
