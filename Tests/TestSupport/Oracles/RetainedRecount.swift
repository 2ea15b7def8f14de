import MachineSimulator

@testable import KernelMemory

/// What one CPU keeps of what was freed, counted along every list and chain that has some of it, while
/// nothing runs. What the manager says of it (`retained`) comes of sums that it keeps up to date as memory
/// moves.
struct RetainedRecount {
  var memory: RetainedMemory {
    RetainedMemory(
      unflushed: PageCount(unflushed), frames: PageCount(frames), cached: PageCount(cached))
  }
  /// The first pages of areas that a request may wake.
  private(set) var asleep: [AreaKind: Set<UInt64>] = [:]
  /// The first thing that is where it should not be.
  private(set) var problem: String?

  private var (unflushed, frames, cached): (UInt64, UInt64, UInt64) = (0, 0, 0)
  private let manager: MemoryManager

  init(_ manager: MemoryManager, _ cpu: borrowing CPU) {
    self.manager = manager
    let quarantine = manager.quarantine
    let (own, pool) = (cpu.perCPU.quarantine, quarantine.pool)
    let (open, sealed) = (quarantine.openBatch(cpu), quarantine.sealedBatch(cpu))
    let isFlushed = quarantine.shootdown.isComplete(own.value.awaited)
    unflushed = span(of: open.value.held.areas)
    var awaited = span(of: sealed.value.held.areas)
    for kind in AreaKind.all {
      let chains = Chains(kind, cpu)
      unflushed += walk(chains.open).reduce(0) { $0 + $1.value.span }
      awaited += walk(chains.sealed).reduce(0) { $0 + $1.value.span }
      count(kind, chains)
    }
    expect(awaited == own.value.awaitedPages, "\(awaited) pages are sealed")
    cpu.perCPU.vmalloc.value.queued.forEach(pool) { area in
      unflushed += pool[area].value.span
      frames += mapped(pool[area])
    }
    if !isFlushed { unflushed += awaited }
    count(open.value.held)
    count(sealed.value.held)
    count(quarantine.flushedBatch(cpu).value.held)
    for area in walk(cpu.perCPU.warm.value.young) + walk(cpu.perCPU.warm.value.old) {
      expect(area.value.state == .cached, "an area in the warm cache is \(area.value.state)")
      cached += mapped(area)
    }
  }

  /// The chains of one kind, and the pages, or large leaves, that they say they have.
  private struct Chains {
    let open, sealed, flushed, young, old: AreaChains.Chains
    let said: UInt64

    init(_ kind: AreaKind, _ cpu: borrowing CPU) {
      let (suspended, asleep) = (cpu.perCPU.suspended(kind), cpu.perCPU.asleep(kind))
      (open, sealed) = (suspended.value.open.first, suspended.value.sealed.first)
      flushed = suspended.value.flushed.first
      (young, old, said) = (asleep.value.young, asleep.value.old, asleep.value.pages)
    }
  }

  private mutating func count(_ kind: AreaKind, _ chains: Chains) {
    // Those that are flushed fall asleep in the next request, before it looks.
    let asleep = walk(chains.flushed) + walk(chains.young) + walk(chains.old)
    var pages: UInt64 = 0
    for area in walk(chains.open) + walk(chains.sealed) + asleep {
      pages += area.value.pageCount
      expect(area.value.state == .retired, "an area that sleeps, or will, is \(area.value.state)")
      expect(mapped(area) == 0, "an area that sleeps, or will, can be reached")
    }
    let unit = kind == .large ? manager.tables.areaLeafOrder : 0
    expect(
      pages >> UInt64(unit) == chains.said,
      "\(pages) pages are in the chains of kind \(kind), and \(chains.said) are counted")
    if kind != .borrowing { frames += pages }
    self.asleep[kind] = Set(asleep.map { $0.value.first })
  }

  private mutating func count(_ held: borrowing Holdings) {
    let table = manager.frames.table
    var count: UInt64 = 0
    held.frames.forEach(table) { _, order in count += 1 << UInt64(order) }
    held.tables.forEach(table) { _ in count += 1 }
    held.nodes.forEach(table) { _ in count += 1 }
    frames += count
  }

  private func span(of list: borrowing AreaList) -> UInt64 {
    var sum: UInt64 = 0
    list.forEach(manager.arenas.pool) { sum += manager.arenas.pool[$0].value.span }
    return sum
  }

  /// How many pages of an area a walk of the tables finds.
  private func mapped(_ area: Stable<AreaDescriptor>) -> UInt64 {
    var count: UInt64 = 0
    manager.tables.visit(area.value.pages) { count += $0.pages.count.rawValue }
    return count
  }

  private func walk(_ chains: AreaChains.Chains) -> [Stable<AreaDescriptor>] {
    var areas: [Stable<AreaDescriptor>] = []
    for index in chains.indices {
      var next = chains[index]
      while let area = next {
        areas.append(area)
        next = area.value.nextCached
      }
    }
    return areas
  }

  private mutating func expect(_ condition: Bool, _ text: @autoclosure () -> String) {
    if !condition { problem = problem ?? text() }
  }
}

extension TestMachine {
  /// Of the CPU that the calling thread plays.
  func recount() -> RetainedRecount { manager.cpus.with { cpu in RetainedRecount(manager, cpu) } }

  /// What the manager says wrongly of the memory that some CPU keeps.
  var retainedProblem: String? {
    for cpu in 0..<manager.cpus.count where manager.quarantine.shootdown.isOnline(cpu) {
      let problem = simulated.onCPU(cpu) { () -> String? in
        let said = manager.retained
        let found = recount()
        if let problem = found.problem { return problem }
        return said == found.memory ? nil : "\(found.memory) are kept, not \(said)"
      }
      if let problem { return "CPU \(cpu): \(problem)" }
    }
    return nil
  }
}

extension AreaKind {
  static var all: [AreaKind] { (0..<count).compactMap { AreaKind(rawValue: $0) } }
}
