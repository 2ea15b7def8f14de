import MachineSimulator

@testable import KernelMemory

/// What one CPU keeps of what was freed, counted along every list and chain that has some of it, while
/// nothing runs. What the manager says of it (`retained`) comes of sums that it keeps up to date as memory
/// moves.
struct RetainedRecount {
  /// What sleeps: areas of base pages, those of large leaves alone, and those of lent frames.
  enum Kind: CaseIterable { case owning, large, borrowing }

  var memory: RetainedMemory {
    RetainedMemory(
      unflushed: PageCount(unflushed), frames: PageCount(frames), parked: PageCount(parked))
  }
  /// The first pages of areas that a request may wake.
  private(set) var asleep: [Kind: Set<UInt64>] = [:]
  /// The first thing that is where it should not be.
  private(set) var problem: String?

  private var (unflushed, frames, parked): (UInt64, UInt64, UInt64) = (0, 0, 0)
  private let manager: MemoryManager

  init(_ manager: MemoryManager, _ cpu: borrowing CPU) {
    self.manager = manager
    let reclaim = manager.reclaim
    let slot = reclaim.slot(cpu)
    let (open, closed) = (reclaim.openBatch(cpu), reclaim.closedBatch(cpu))
    let isFlushed = reclaim.shootdown.isComplete(slot.value.awaited)
    unflushed = span(of: open.value.areas)
    var awaited = span(of: closed.value.areas)
    for kind in Kind.allCases {
      let chains = Chains(kind, slot)
      unflushed += walk(chains.open).reduce(0) { $0 + $1.value.span }
      awaited += walk(chains.closed).reduce(0) { $0 + $1.value.span }
      count(kind, chains)
    }
    expect(awaited == slot.value.awaitedPages, "\(awaited) pages are closed")
    slot.value.queued.forEach(reclaim.pool) { area in
      unflushed += reclaim.pool[area].value.span
      frames += mapped(reclaim.pool[area])
    }
    if !isFlushed { unflushed += awaited }
    count(open.value.frames, open.value.tables, open.value.nodes)
    count(closed.value.frames, closed.value.tables, closed.value.nodes)
    let flushed = reclaim.flushedBatch(cpu)
    count(flushed.value.frames, flushed.value.tables, flushed.value.nodes)
    for area in walk(slot.value.warm.young) + walk(slot.value.warm.old) {
      expect(area.value.state == .cached, "an area in the warm cache is \(area.value.state)")
      parked += mapped(area)
    }
  }

  /// The chains of one kind, and the pages, or large leaves, that they say they have.
  private struct Chains {
    let open, closed, young, old: AreaCache.Chains
    let said: UInt64

    init(_ kind: Kind, _ slot: Stable<Reclaim.PerCPU>) {
      switch kind {
      case .owning: self.init(slot.value.owning)
      case .large: self.init(slot.value.large)
      case .borrowing: self.init(slot.value.borrowing)
      }
    }

    private init(_ sleepers: borrowing Sleepers) {
      (open, closed) = (sleepers.open.first, sleepers.closed.first)
      (young, old, said) = (sleepers.asleep.young, sleepers.asleep.old, sleepers.asleep.pages)
    }
  }

  private mutating func count(_ kind: Kind, _ chains: Chains) {
    let asleep = walk(chains.young) + walk(chains.old)
    var pages: UInt64 = 0
    for area in walk(chains.open) + walk(chains.closed) + asleep {
      pages += area.value.pageCount
      expect(area.value.state == .retired, "an area that sleeps, or will, is \(area.value.state)")
      expect(mapped(area) == 0, "an area that sleeps, or will, can be reached")
    }
    let unit = kind == .large ? manager.reclaim.tables.areaLeafOrder : 0
    expect(pages >> UInt64(unit) == chains.said, "\(pages) pages are in the chains of kind \(kind)")
    if kind != .borrowing { frames += pages }
    self.asleep[kind] = Set(asleep.map { $0.value.first })
  }

  private mutating func count(
    _ blocks: borrowing BlockList, _ tables: borrowing FrameList, _ nodes: borrowing FrameList
  ) {
    let table = manager.frames.table
    var count: UInt64 = 0
    blocks.forEach(table) { _, order in count += 1 << UInt64(order) }
    for list in [(tables.head, tables.count), (nodes.head, nodes.count)] {
      var frame = list.0
      for _ in 0..<list.1 {
        count += 1
        frame = table[frame].value.next
      }
    }
    frames += count
  }

  private func span(of list: borrowing AreaList) -> UInt64 {
    var sum: UInt64 = 0
    list.forEach(manager.reclaim.pool) { sum += manager.reclaim.pool[$0].value.span }
    return sum
  }

  /// How many pages of an area a walk of the tables finds.
  private func mapped(_ area: Stable<AreaDescriptor>) -> UInt64 {
    var count: UInt64 = 0
    manager.tables.visit(area.value.pages) { count += $0.pages.count.rawValue }
    return count
  }

  private func walk(_ chains: AreaCache.Chains) -> [Stable<AreaDescriptor>] {
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
  func recount() throws -> RetainedRecount { manager.cpus.with { cpu in RetainedRecount(manager, cpu) } }

  /// What the manager says wrongly of the memory that some CPU keeps.
  var retainedProblem: String? {
    for cpu in 0..<manager.cpus.count where manager.reclaim.shootdown.isOnline(cpu) {
      let problem = simulated.onCPU(cpu) { () -> String? in
        let said = manager.retained
        let found = manager.cpus.with { cpu in RetainedRecount(manager, cpu) }
        if let problem = found.problem { return problem }
        return said == found.memory ? nil : "\(found.memory) are kept, not \(said)"
      }
      if let problem { return "CPU \(cpu): \(problem)" }
    }
    return nil
  }
}
