/// What a contest compares: something that allocates and frees pages, for threads that play CPUs.
protocol Contestant: AnyObject {
  /// Makes one with so many live areas, as many holes between them, and room for the contest.
  init(cpus: Int, liveAreas: Int) throws
  /// Runs `body` with the calling thread playing a CPU.
  func play(_ cpu: Int, _ body: () throws -> Void) rethrows
  /// Allocates so many pages and frees them again.
  func pair(_ pages: Int, on cpu: Int) throws
  /// Between pairs: what an interrupt would do.
  func poll(_ cpu: Int)
}

/// What a contestant has done that it must not.
struct Mistake: Error {
  let text: String

  init(_ text: String) { self.text = text }
}
