// HostThreads
//
// Pairs of vmalloc and vfree per second, on threads of the host that play CPUs of a simulated machine: the
// package as it is, the same with one lock around every call, and two published ways of finding addresses
// under one lock.
//
// All contestants of one size stand ready at once, and run a round each in turn, again and again, so that
// whatever else the host does meets all of them alike; the median of the rounds is what counts. A rate on its
// own says little of a kernel: no TLB is flushed here but a simulated one. The ratios do.

internal import Glibc

/// What the command line asks for, in whole numbers.
struct Request {
  var rounds = 7
  var milliseconds = 40
  var liveAreas = 1000

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
    for pages in [1, 16] { try contest(pages, request) }
  }

  /// One size: its contestants with one thread and with two, in turn.
  private static func contest(_ pages: Int, _ request: Request) throws {
    let groups = try [1, 2].map { threads in try entrants(pages, threads, request.liveAreas) }
    let all = groups.flatMap { $0 }
    for entrant in all { try entrant.warmUp(milliseconds: request.milliseconds) }
    for _ in 0..<request.rounds {
      for entrant in all { try entrant.runRound(milliseconds: request.milliseconds) }
    }
    let title = pad("\(pages * 4) KiB", 22)
    print("\n" + title + "    1 thread    CPU time     2 threads    CPU time     x1  xours")
    for (one, two) in zip(groups[0], groups[1]) {
      // Warm and lazy are each compared with themselves; what finds ranges alone, with lazy.
      let ours = groups[1][one.name.hasPrefix("warm") ? 0 : 3].median(\.processor)
      let (alone, together) = (one.median(\.processor), two.median(\.processor))
      print(
        pad(one.name, 22) + rate(one.median(\.wall)) + rate(alone) + "  " + rate(two.median(\.wall))
          + rate(together) + ratio(together / alone) + ratio(together / ours))
    }
  }

  private static func entrants(_ pages: Int, _ threads: Int, _ liveAreas: Int) throws -> [Entrant] {
    func make<C: Contestant>(_ name: String, _ type: C.Type) throws -> Entrant {
      try Entrant(name, type, pages: pages, threads: threads, liveAreas: liveAreas)
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

  private static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  private static func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }

  private static func rate(_ value: Double) -> String { right("\(Int(value))", 12) }
  private static func ratio(_ value: Double) -> String {
    let hundredths = Int(value * 100 + 0.5)
    return right("\(hundredths / 100)." + right("\(hundredths % 100)", 2).replacing(" ", with: "0"), 7)
  }
}
