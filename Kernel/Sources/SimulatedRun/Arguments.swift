internal import KernelMemory

/// What the command line asks for.
struct Arguments: Equatable {
  var trace = ""
  var laps: UInt64 = 1
  var listsAllAreas = false
  /// Compare kmalloc with vmalloc in this mode, instead of the replay.
  var comparedMode: FreeMode?
  /// The simulated RAM, in bytes.
  var memory: UInt64 = 3 << 30
  /// Of page tables.
  var levels = PageTableFormatChoice.X86_64Levels.four
  var wantsHelp = false

  /// A sentence that says which word is wrong, and what would have been right.
  struct Refusal: Error, Equatable {
    let message: String
  }

  static let usage = """
    usage: SimulatedRun [--laps N] [--listing all|ends] [--memory SIZE] [--levels N] [--] TRACE

      TRACE            the text of ftrace's trace file, with the events of vmalloc
      --laps N         replay it N times (1)
      --listing WHICH  print all areas that are live at the end, or the first and the last (ends)
      --compare MODE   count what kmalloc and vmalloc do, in lazy or warm mode, instead
      --memory SIZE    bytes of simulated RAM, with K, M or G for powers of 1024 (3G)
      --levels N       levels of page tables, 4 or 5 (4)
      --               what follows is a trace, also where its name begins with a dash

    Exit status: 0 the verdict is good, 1 it is not, 2 there is nothing to replay.

    """

  init(_ words: some Sequence<String>) throws(Refusal) {
    var rest = words.makeIterator()
    var areOptionsOver = false
    while let word = rest.next() {
      if areOptionsOver {
        try setTrace(word)
        continue
      }
      switch word {
      case "--help", "-h": wantsHelp = true
      case "--laps": laps = try Self.laps(rest.next())
      case "--listing": listsAllAreas = try Self.listing(rest.next())
      case "--compare": comparedMode = try Self.mode(rest.next())
      case "--memory": memory = try Self.memory(rest.next())
      case "--levels": levels = try Self.levels(rest.next())
      case "--": areOptionsOver = true
      case _ where word.hasPrefix("-"): throw Refusal(message: "there is no option \(word)")
      default: try setTrace(word)
      }
    }
    guard wantsHelp || comparedMode != nil || !trace.isEmpty else {
      throw Refusal(message: "no trace is given")
    }
  }

  private mutating func setTrace(_ word: String) throws(Refusal) {
    guard trace.isEmpty else { throw Refusal(message: "one trace at a time: \(word) is one too many") }
    trace = word
  }

  private static func laps(_ word: String?) throws(Refusal) -> UInt64 {
    guard let word, let laps = UInt64(word), laps > 0 else {
      throw Refusal(message: "--laps needs a number above zero")
    }
    return laps
  }

  private static func listing(_ word: String?) throws(Refusal) -> Bool {
    switch word {
    case "all": return true
    case "ends": return false
    default: throw Refusal(message: "--listing needs all or ends")
    }
  }

  private static func levels(_ word: String?) throws(Refusal) -> PageTableFormatChoice.X86_64Levels {
    guard let levels = word.flatMap({ Int($0) }).flatMap({ PageTableFormatChoice.X86_64Levels(rawValue: $0) })
    else { throw Refusal(message: "--levels needs 4 or 5") }
    return levels
  }

  private static func mode(_ word: String?) throws(Refusal) -> FreeMode {
    switch word {
    case "lazy": return .lazy
    case "warm": return .warm
    default: throw Refusal(message: "--compare needs lazy or warm")
    }
  }

  /// Simulated RAM that nobody touches costs no memory, but the manager's records of its frames are a 256th
  /// of it.
  private static func memory(_ word: String?) throws(Refusal) -> UInt64 {
    let refusal = Refusal(message: "--memory needs a size of 1M to 256G, such as 512M")
    guard var digits = word else { throw refusal }
    let shift: UInt64 =
      switch digits.last {
      case "K", "k": 10
      case "M", "m": 20
      case "G", "g": 30
      default: 0
      }
    if shift > 0 { digits.removeLast() }
    guard let number = UInt64(digits) else { throw refusal }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: 1 << shift)
    guard !overflow, bytes >= 1 << 20, bytes <= 256 << 30 else { throw refusal }
    return bytes
  }
}
