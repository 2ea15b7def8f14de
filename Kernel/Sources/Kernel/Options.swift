import BareMetal
import KernelMemory
import LoaderText

/// What the command line asks for. Plain values: its bytes are out of reach once the kernel has its own
/// tables.
struct Options {
  /// One of the faults on purpose, instead of the replay.
  var scenario: Scenario?
  /// What to count instructions of, instead of the replay.
  var bench: BenchPart?
  /// When freed memory can be used again.
  var mode = FreeMode.strict
  /// How many pairs Scripts/profile.sh looks at, instead of the replay; zero for the replay.
  var profiledPairs: UInt64 = 0
  /// Of how many pages each.
  var profiledPages: UInt64 = 1
  /// How many areas all CPUs allocate and free together, instead of the replay; zero for the replay.
  var stressPairs: UInt64 = 0
  /// Whether to use the manager in an interrupt handler, instead of the replay.
  var testsInterrupts = false
  /// Whether to compute in the floating-point unit under a timer's interrupts that use it too, instead of the
  /// replay.
  var testsFloating = false
  /// Whether to exercise the heap of the Swift runtime, instead of the replay.
  var testsSwiftHeap = false
  /// Whether to compare kmalloc with vmalloc, instead of the replay.
  var compares = false
  /// Whether to print all mappings and halt after the job, instead of ending the run.
  var holds = false
  /// How many times the trace is replayed.
  var laps: UInt64 = 1
  /// Whether the listing of areas is printed whole.
  var listsAll = false

  /// A word that is no option, or whose value makes no sense.
  struct Refusal: Error {
    let word: CommandLine.Word
  }

  init() {}

  init(_ words: consuming CommandLine) throws(Refusal) {
    while let word = words.next() {
      guard read(word) else { throw Refusal(word: word) }
    }
  }

  private mutating func read(_ word: CommandLine.Word) -> Bool {
    if word.equals("test=interrupt") {
      testsInterrupts = true
      return true
    }
    if word.equals("test=floating") {
      testsFloating = true
      return true
    }
    if word.equals("test=swift-heap") {
      testsSwiftHeap = true
      return true
    }
    if let name = word.dropping("test=") {
      scenario = Scenario(name)
      return scenario != nil
    }
    if let name = word.dropping("mode=") {
      guard let named = FreeMode(name) else { return false }
      mode = named
      return true
    }
    if let name = word.dropping("bench=") {
      bench = BenchPart(name)
      return bench != nil
    }
    if let isRight = Platform.accepts(word) { return isRight }
    if let count = word.dropping("laps=") {
      laps = count.decimal ?? 0
      return laps > 0
    }
    if let count = word.dropping("profile=") {
      profiledPairs = count.decimal ?? 0
      return profiledPairs > 0
    }
    if let count = word.dropping("pages=") {
      profiledPages = count.decimal ?? 0
      return profiledPages > 0 && profiledPages <= 1 << 20
    }
    if let count = word.dropping("stress=") {
      stressPairs = count.decimal ?? 0
      return stressPairs > 0
    }
    if word.equals("listing=all") {
      listsAll = true
    } else if word.equals("layout=identity") {
      AddressSpace.mapMemoryToItself()
    } else if word.equals("bench") {
      bench = .operations
    } else if word.equals("compare") {
      compares = true
    } else if word.equals("hold") {
      holds = true
    } else {
      return false
    }
    return true
  }

  /// Says what could have been written instead.
  static func writeUsage(to sink: inout some TextSink) {
    sink.write("  laps=N       replay the trace N times\n")
    Platform.writeUsage(to: &sink)
    sink.write("  layout=identity  have memory at its own addresses, and nothing in the upper half\n")
    sink.write("  listing=all  print every area that is live at the end\n")
    sink.write("  hold         print every mapping after the job, and halt\n")
    sink.write("  mode=NAME    when freed memory can be used again: strict (at once), lazy, or warm\n")
    sink.write("  bench        count instructions per operation, under QEMU's -icount\n")
    sink.write("  bench=tests  or those of the loops of Linux's test module\n")
    sink.write("  bench=growth  or those of a pair in a full machine, with 8 GiB of RAM\n")
    sink.write("  bench=memory  or bytes that are kept for a live area, with 8 GiB of RAM\n")
    sink.write("  bench=contention  or locks and updates that all CPUs share, in a build of its own\n")
    sink.write("  bench=access  or page-table walks of random reads, by a model of a CPU's TLBs\n")
    sink.write("  profile=N    run N pairs between two marks, for Scripts/profile.sh\n")
    sink.write("  pages=N      of N pages each, instead of one\n")
    sink.write("  stress=N     allocate and free N areas on all CPUs, each area freed by another one\n")
    sink.write("  test=interrupt  allocate and free in a timer's interrupt handler\n")
    sink.write(
      "  test=floating  compute in the floating-point unit while a timer's interrupt handler does, too\n")
    sink.write("  test=swift-heap  use Swift's classes, arrays, dictionaries and strings on all CPUs\n")
    sink.write("  compare      count what kmalloc and vmalloc do, for Scripts/compare.sh\n")
    sink.write("  test=NAME    fault on purpose:")
    Scenario.writeNames(to: &sink)
    sink.newline()
  }
}

extension FreeMode {
  /// Nil where no mode has this name.
  fileprivate init?(_ word: CommandLine.Word) {
    if word.equals("strict") {
      self = .strict
    } else if word.equals("lazy") {
      self = .lazy
    } else if word.equals("warm") {
      self = .warm
    } else {
      return nil
    }
  }
}
