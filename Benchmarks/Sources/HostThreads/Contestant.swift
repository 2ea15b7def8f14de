/// What a contest compares: something that allocates and frees, for threads that play CPUs.
protocol Contestant: AnyObject {
  /// Makes one with so many live areas, as many holes between them, and room for the contest; of objects,
  /// with so many live ones a CPU.
  init(cpus: Int, liveAreas: Int) throws
  /// Runs `body` with the calling thread playing a CPU.
  func play(_ cpu: Int, _ body: () throws -> Void) rethrows
  /// An allocation of so many pages, or bytes where objects are compared, and a free.
  func pair(_ size: Int, on cpu: Int) throws
  /// Between pairs: what an interrupt would do.
  func poll(_ cpu: Int)
}

/// What a contestant has done that it must not.
struct Mistake: Error {
  let text: String

  init(_ text: String) { self.text = text }
}
