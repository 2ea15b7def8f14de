// Who is next, and what happens to it first.

extension ScheduledRun {
  func next(after current: Int?) -> Next {
    guard trace.entries.count < rules.stepLimit else { return .stuck(.stepLimit) }
    listOptions(after: current)
    guard !options.isEmpty else { return nextWithoutReason(after: current) }
    var choice = 0
    if options.count > 1 {
      choice = chooser.choose(options)
      choiceCount += 1
    }
    let option = options[choice]
    switch option.event {
    case .nothing, .notification: break
    case .deviceInterrupt: deviceInterruptsLeft -= 1
    case .nmi: nmisLeft -= 1
    case .migration: migrationsLeft -= 1
    }
    let isLate = machine.isNotified(players[option.thread].cpu) && option.event != .notification
    players[option.thread].event = option.event
    players[option.thread].interruptIsLate = isLate
    return .turn(option.thread)
  }

  private func listOptions(after current: Int?) {
    options.removeAll(keepingCapacity: true)
    let goesOn = current.map { players[$0].state == .ready } ?? false
    if let current { listOptions(of: current, preemptions: 0) }
    for thread in players.indices where thread != current {
      listOptions(of: thread, preemptions: goesOn ? 1 : 0)
    }
    // What nothing asks for comes last, so that it is no option where nobody can go on by itself.
    guard !options.isEmpty else { return }
    for thread in players.indices where players[thread].hasStarted && !players[thread].isInNMI {
      guard thread == current || players[thread].state == .ready else { continue }
      listEvents(of: thread, preemptions: goesOn && thread != current ? 2 : 1)
    }
    if rules.alwaysMigrates { dropChoicesToStay(goesOn ? current : nil) }
  }

  /// Where a thread can move it does not just go on; nor is its move one more preemption then.
  private func dropChoicesToStay(_ current: Int?) {
    let movers = options.filter(\.isMigration).map(\.thread)
    options.removeAll { movers.contains($0.thread) && $0.event == .nothing }
    for index in options.indices where options[index].isMigration {
      options[index].preemptions = current == nil || options[index].thread == current ? 0 : 1
    }
    // The first option is how the current thread goes on.
    let first = options.firstIndex { $0.isMigration && $0.thread == current }
    if let first { options.swapAt(0, first) }
  }

  private func listOptions(of thread: Int, preemptions: Int) {
    let player = players[thread]
    let mayTakeInterrupt = player.interruptsAreOn && machine.isNotified(player.cpu)
    func add(_ event: Option.Event, _ preemptions: Int) {
      options.append(Option(thread: thread, event: event, preemptions: preemptions))
    }
    switch player.state {
    case .ready where mayTakeInterrupt:
      let isLate = player.interruptIsLate
      add(isLate ? .nothing : .notification, preemptions)
      add(isLate ? .notification : .nothing, preemptions + 1)
    case .waiting where mayTakeInterrupt, .idle where mayTakeInterrupt: add(.notification, preemptions)
    case .waiting where player.seen == happened(player.step): break
    case .ready, .waiting: add(.nothing, preemptions)
    case .idle: break
    }
  }

  /// What may happen to a thread before it goes on.
  private func listEvents(of thread: Int, preemptions: Int) {
    let player = players[thread]
    func add(_ event: Option.Event) {
      options.append(Option(thread: thread, event: event, preemptions: preemptions))
    }
    if nmisLeft > 0 && rules.nmiPoints.contains(player.step) { add(.nmi) }
    guard player.interruptsAreOn else { return }
    if deviceInterruptsLeft > 0 && rules.points.contains(player.step) { add(.deviceInterrupt) }
    guard migrationsLeft > 0, rules.migrationPoints.contains(player.step) else { return }
    for other in players.indices where other != thread && players[other].interruptsAreOn {
      add(.migration(with: other))
    }
  }

  /// Asks the waiting threads in turn.
  private func nextWithoutReason(after current: Int?) -> Next {
    let count = players.count
    let first = (current ?? -1) + 1
    guard
      let thread = (first..<first + count).map({ $0 % count }).first(where: {
        players[$0].state == .waiting
      })
    else { return .end }
    idleTurns += 1
    guard idleTurns <= count * rules.patience else { return .stuck(.deadlock(players.map(\.step))) }
    return .turn(thread)
  }
}
