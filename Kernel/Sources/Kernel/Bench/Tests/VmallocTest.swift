import KernelMemory

// The tests of Linux's module lib/test_vmalloc.c, with its names, sizes, alignments, touches and loop counts,
// written from a description of what they do. As there, the time of a test has its set-up and its end in it;
// it has the purge of what the test left, too. A repeat passes when nothing was refused.
//
// Two kinds of tests are not here: that of per-CPU memory, because there is no such function; and the frees
// by RCU, which this package leaves to the kernel that has an RCU.

/// One test of the module.
protocol VmallocTest {
  /// As the module has it.
  var name: StaticString { get }
  /// The name of the figure; nil where instructions compare nothing, as where they are mostly those that
  /// clear pages.
  var row: StaticString? { get }
  /// An operation of the figure is one of these.
  var loops: UInt64 { get }

  /// - Parameters:
  ///   - manager: where areas come from.
  ///   - watcher: looks after each loop.
  /// - Throws: the first refusal; what is live then stays so.
  mutating func run(on manager: MemoryManager, _ watcher: inout some LoopWatcher) throws(MemoryError)

  /// Whether the test ended as it should, with `refusal` if there was one.
  func isRight(_ refusal: MemoryError?) -> Bool
}

extension VmallocTest {
  func isRight(_ refusal: MemoryError?) -> Bool { refusal == nil }
}

/// Whoever looks at a loop from outside.
protocol LoopWatcher {
  mutating func look(_ manager: MemoryManager)
}

/// Nobody: a loop that is timed is not looked at.
struct NoWatcher: LoopWatcher {
  mutating func look(_ manager: MemoryManager) {}
}

extension Extremes: LoopWatcher {
  mutating func look(_ manager: MemoryManager) { add(manager.retained) }
}
