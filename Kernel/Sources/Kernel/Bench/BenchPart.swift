import LoaderText

/// What one boot measures. Each part has a boot of its own, so that none finds what another left behind.
enum BenchPart {
  /// Single operations, with what they cost at the worst.
  case operations
  /// The loops of Linux's test module.
  case tests
  /// A pair in a machine that is full in one way or another.
  case growth
  /// What is kept for a live area besides its pages.
  case memory
  /// How CPUs get in each other's way.
  case contention
  /// How often memory that is used makes the CPU walk the page tables.
  case access

  /// Nil where no part has this name.
  init?(_ word: CommandLine.Word) {
    if word.equals("operations") {
      self = .operations
    } else if word.equals("tests") {
      self = .tests
    } else if word.equals("growth") {
      self = .growth
    } else if word.equals("memory") {
      self = .memory
    } else if word.equals("contention") {
      self = .contention
    } else if word.equals("access") {
      self = .access
    } else {
      return nil
    }
  }
}
