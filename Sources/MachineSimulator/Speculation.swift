internal import KernelMemory

// What MMUs do unasked. Hardware may translate an address at any time, whether an instruction has used it or
// not, and may forget a translation at any time (SDM 4.10.2.3, 4.10.3.1). Between them lie all that a program
// can meet, so two extremes show what any machine may show, without a choice:
//
//     greedy       each CPU walks to a page as soon as its entry, or a table on the way to it, is stored, and
//                  again as soon as it had to forget it; it keeps what it finds until it must forget
//     forgetful    no CPU keeps anything from one access to the next
//
// A walk that nobody has asked for faults for nobody: where it comes to what cannot be right, it is a
// violation, which the machine keeps.

/// What the MMUs of a simulated machine do besides what an access demands.
public enum Speculation: Sendable {
  /// Nothing, and they forget nothing.
  case none
  /// They translate whatever can be translated, at once and again and again.
  case greedy
  /// They forget everything after each access.
  case forgetful
}

/// Something that no machine could be expected to bear, found where no access could report it.
public struct Violation: Error, Equatable, Sendable, CustomStringConvertible {
  /// The CPU whose MMU has met it.
  public let cpu: Int
  public let description: String
}

extension SimulatedMachine {
  /// Where a table stands: the first address that it leads to, and its level.
  struct TablePlace {
    var address: UInt64
    var level: Int
  }

  /// The first violation since the last call. Asked by `Scheduler` at each step.
  public func takeViolation() -> Violation? {
    reportTouch()
    defer { violation = nil }
    return violation
  }

  func report(_ description: String, cpu: Int) {
    if violation == nil { violation = Violation(cpu: cpu, description: description) }
  }

  /// Finds the tables that there are. O(tables).
  func learnTables() {
    places = [:]
    for root in Set(cpus.compactMap(\.root)) {
      learn(root, TablePlace(address: 0, level: mmu.levels), deeply: true)
    }
  }

  private func learn(_ table: UInt64, _ place: TablePlace, deeply: Bool) {
    places[table] = place
    noteEntries(of: table, level: place.level)
    guard deeply, place.level > 1 else { return }
    for index in 0..<mmu.entryCount(level: place.level) {
      guard let entry = memory.peek(table &+ index &* 8) else { return }
      let meaning = mmu.meaning(of: entry, level: place.level, index: index)
      learnChild(meaning, place.level, first: firstAddress(place, index), deeply: true)
    }
  }

  private func learnChild(_ meaning: Meaning, _ level: Int, first: UInt64, deeply: Bool) {
    guard case .table(let table) = meaning else { return }
    learn(table.address, TablePlace(address: first, level: level &- 1), deeply: deeply)
  }

  /// The first address that an entry is for.
  func firstAddress(_ place: TablePlace, _ index: UInt64) -> UInt64 {
    mmu.canonical(place.address | index &<< mmu.pageShift(level: place.level))
  }

  /// After a store to an entry: judges it, and lets every CPU do what it may.
  func entryWasStored(at address: UInt64) {
    if StepHandler.current?.runsFreely ?? false { return }
    if speculation == .forgetful {
      for cpu in cpus { cpu.forget() }
    }
    let table = address & ~mmu.pageSize.offsetMask
    guard speculation == .greedy || hasEntryRules, let place = places[table],
      let bits = memory.peek(address)
    else { return }
    let index = (address & mmu.pageSize.offsetMask) / 8
    let first = firstAddress(place, index)
    let meaning = mmu.meaning(of: bits, level: place.level, index: index)
    if hasEntryRules { judgeStore(bits, at: address, place, index: index, first: first) }
    learnChild(meaning, place.level, first: first, deeply: false)
    if speculation == .greedy { fill(meaning, place.level, first: first) }
  }

  /// Has every CPU translate what an entry leads to.
  private func fill(_ meaning: Meaning, _ level: Int, first: UInt64) {
    // A table is looked through: each page, or each table below it, that it leads to.
    var count: UInt64 = 1
    if case .table = meaning { count = mmu.entryCount(level: level &- 1) }
    let step = UInt64(1) &<< mmu.pageShift(level: max(1, level &- 1))
    for number in 0..<count {
      for cpu in cpus.indices { speculate(cpu, at: first &+ number &* step) }
    }
  }

  /// Has a CPU translate an address, if it has not.
  func speculate(_ cpu: Int, at address: UInt64) {
    if let fault = cpus[cpu].speculate(at: address) {
      report("a walk that nobody asked for found: \(fault)", cpu: cpu)
    }
  }

  /// Runs `body`, which makes a CPU forget something: a greedy one knows again at once what it can.
  func changing(_ cpu: Int, _ body: () -> Void) {
    guard speculation == .greedy, !(StepHandler.current?.runsFreely ?? false) else { return body() }
    let known = cpus[cpu].knownAddresses
    body()
    for address in known { speculate(cpu, at: address) }
  }

  /// What a CPU may do after an access, or after the page fault that it has met.
  func speculateAfterAccess(_ cpu: Int, at address: UInt64, _ fault: Fault?) {
    switch speculation {
    case .none: break
    case .forgetful: cpus[cpu].forget()
    case .greedy:
      guard fault?.cause.isPageFault ?? false, !(StepHandler.current?.runsFreely ?? false) else { return }
      speculate(cpu, at: address)
    }
  }

  /// Looks for what no CPU that takes part may hold: a translation to a frame that is free, or a table in
  /// one. O(what is cached). Nothing where `isFrameFree` is not set.
  public func checkCaches() {
    guard let isFrameFree else { return }
    for cpu in cpus.indices where takesPart?(cpu) ?? true {
      if let fault = cpus[cpu].cachedFreeFrame(isFrameFree, linearBase: linearMap.base.rawValue) {
        report("a frame was freed that is still cached: \(fault)", cpu: cpu)
      }
    }
  }
}
