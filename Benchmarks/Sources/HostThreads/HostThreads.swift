// HostThreads
//
// Pairs of vmalloc and vfree per second, on threads of the host that play CPUs of a simulated machine: the
// package as it is, the same with one lock around every call, and two published ways of finding addresses
// under one lock.
//
// All contestants of one size stand ready at once, and run a round each in turn, again and again, so that
// whatever else the host does meets all of them alike; the median of the rounds is what counts. A rate on its
// own says little of a kernel: no TLB is flushed here but a simulated one. The ratios do. Behind them kmalloc
// stands beside mimalloc and jemalloc, where the host has them.

/// What the command line asks for, in whole numbers.
struct Request {
  var rounds = 7
  var milliseconds = 40
  var liveAreas = 1000
  /// Of each CPU, where objects are compared.
  var liveObjects: Int { 100 }

  static let usage = "usage: HostThreads [--rounds N] [--milliseconds N] [--live N]\n"

  init?(_ words: [String]) {
    var rest = words.makeIterator()
    while let word = rest.next() {
      guard let number = Int(rest.next() ?? ""), (1...1_000_000).contains(number) else { return nil }
      switch word {
      case "--rounds": rounds = number
      case "--milliseconds": milliseconds = number
      case "--live": liveAreas = number
      default: return nil
      }
    }
  }
}

@main struct HostThreads {
  static func main() throws {
    guard let request = Request(Array(CommandLine.arguments.dropFirst())) else {
      _ = write(STDERR_FILENO, Request.usage, Request.usage.utf8.count)
      exit(2)
    }
    print(
      "pairs of vmalloc and vfree per second: threads of the host, \(request.liveAreas) live areas,",
      "median of \(request.rounds) interleaved rounds of \(request.milliseconds) ms")
    print("CPU time: per second of it; x1: against one thread; xours: against the package without the lock")
    print("(both in CPU time, two threads)")
    var goals: [Goal] = []
    for pages in [1, 16] { goals += try areas(pages, request) }
    print(
      "\nnanoseconds of CPU time a pair of objects, \(request.liveObjects) live ones a thread; x1: beside another"
    )
    print("thread, of alone; xmi: of mimalloc's, alone")
    for (size, limit) in [(64, 1.3), (4096, 1.0), (65_536, 1.0)] {
      goals += try objects(size, limit, request)
    }
    print("\ngoals, of CPU time")
    for goal in goals { print(goal.text) }
  }

  /// One size: its contestants with one thread and with two, in turn.
  private static func contest(
    _ request: Request, _ entrants: (_ threads: Int) throws -> [Entrant]
  ) throws -> [(Entrant, Entrant)] {
    let groups = try [1, 2].map(entrants)
    let all = groups.flatMap { $0 }
    for entrant in all { try entrant.warmUp(milliseconds: request.milliseconds) }
    for _ in 0..<request.rounds {
      for entrant in all { try entrant.runRound(milliseconds: request.milliseconds) }
    }
    return Array(zip(groups[0], groups[1]))
  }

  private static func areas(_ pages: Int, _ request: Request) throws -> [Goal] {
    let pairs = try contest(request) { threads in try kernels(pages, threads, request.liveAreas) }
    let title = Table.left("\(pages * 4) KiB", 22)
    print("\n" + title + "    1 thread    CPU time     2 threads    CPU time     x1  xours")
    for (one, two) in pairs {
      // Warm and lazy are each compared with themselves; what finds ranges alone, with lazy.
      let ours = pairs[one.name.hasPrefix("warm") ? 0 : 3].1.median(\.processor)
      let (alone, together) = (one.median(\.processor), two.median(\.processor))
      print(
        Table.left(one.name, 22) + Table.rate(one.median(\.wall)) + Table.rate(alone) + "  "
          + Table.rate(two.median(\.wall)) + Table.rate(together) + Table.ratio(together / alone)
          + Table.ratio(together / ours))
    }
    if pages > 1 { return [] }
    return [0, 3].map { Goal.besideAnother("\(pairs[$0].0.name), 4 KiB", pairs[$0].0, pairs[$0].1) }
  }

  private static func kernels(_ pages: Int, _ threads: Int, _ liveAreas: Int) throws -> [Entrant] {
    func make<C: Contestant>(_ name: String, _ type: C.Type) throws -> Entrant {
      try Entrant(name, type, size: pages, threads: threads, liveAreas: liveAreas)
    }
    return [
      try make("warm", SimulatedKernel<NoLock, Warm>.self),
      try make("warm, one spin lock", SimulatedKernel<SpinningLock, Warm>.self),
      try make("warm, one mutex", SimulatedKernel<MutexLock, Warm>.self),
      try make("lazy", SimulatedKernel<NoLock, Lazy>.self),
      try make("lazy, one spin lock", SimulatedKernel<SpinningLock, Lazy>.self),
      try make("lazy, one mutex", SimulatedKernel<MutexLock, Lazy>.self),
      try make("ranges: tree", RangesAlone<TreeAllocator, SpinningLock>.self),
      try make("ranges: bitmap", RangesAlone<BitmapAllocator, SpinningLock>.self),
    ]
  }

  private static func objects(_ size: Int, _ limit: Double, _ request: Request) throws -> [Goal] {
    let (noMimalloc, noJemalloc) = (HostMalloc<Mimalloc>.absence, HostMalloc<Jemalloc>.absence)
    let pairs = try contest(request) { threads in
      func make<H: Heap>(_ name: String, _ type: H.Type) throws -> Entrant {
        try Entrant(name, LiveObjects<H>.self, size: size, threads: threads, liveAreas: request.liveObjects)
      }
      var all = [try make("kmalloc", Kmalloc.self)]
      if noMimalloc == nil { all.append(try make("mimalloc", HostMalloc<Mimalloc>.self)) }
      if noJemalloc == nil { all.append(try make("jemalloc", HostMalloc<Jemalloc>.self)) }
      return all
    }
    let name = size < 1024 ? "\(size) bytes" : "\(size / 1024) KiB"
    let mimalloc = noMimalloc == nil ? pairs[1].0 : nil
    print("\n" + Table.left(name, 22) + "   1 thread  2 threads     x1    xmi")
    for (one, two) in pairs {
      print(
        Table.left(one.name, 22) + Table.right(Table.hundredths(one.nanoseconds), 11)
          + Table.right(Table.hundredths(two.nanoseconds), 11)
          + Table.ratio(two.nanoseconds / one.nanoseconds)
          + (mimalloc.map { Table.ratio(one.nanoseconds / $0.nanoseconds) } ?? Table.right("-", 7)))
    }
    if let noMimalloc { print("mimalloc: absent: \(noMimalloc)") }
    if let noJemalloc { print("jemalloc: absent: \(noJemalloc)") }
    var goals = [Goal.besideAnother("kmalloc, \(name)", pairs[0].0, pairs[0].1)]
    if let mimalloc {
      let value = pairs[0].0.nanoseconds / mimalloc.nanoseconds
      goals.append(Goal(name: "kmalloc, \(name), of mimalloc", value: value, limit: limit))
    }
    return goals
  }
}
