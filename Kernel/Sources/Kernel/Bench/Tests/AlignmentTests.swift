import KernelMemory

// Cleared areas, so most of their instructions clear pages: they are run to see them pass, not compared.

/// Five pages at a multiple of twice a kernel thread's stack, which is 16 KiB on x86-64.
struct FixedAlignmentTest: VmallocTest {
  var name: StaticString { "fix_align_alloc_test" }
  var row: StaticString? { nil }
  var loops: UInt64 { 20_000 }

  func run(on manager: MemoryManager, _ watcher: inout some LoopWatcher) throws(MemoryError) {
    var options = VmallocOptions()
    options.alignment = 32 << 10
    for _ in 0..<loops {
      try unsafe manager.vfree(try manager.vzalloc(5 << 12, options))
      watcher.look(manager)
    }
  }
}

/// One to ten pages at a multiple of 1 byte to 4 MiB; one random byte decides both.
struct RandomAlignmentTest: VmallocTest {
  private var random = RandomNumbers(seed: 32)

  var name: StaticString { "random_size_align_alloc_test" }
  var row: StaticString? { nil }
  var loops: UInt64 { 20_000 }

  mutating func run(on manager: MemoryManager, _ watcher: inout some LoopWatcher) throws(MemoryError) {
    var options = VmallocOptions()
    for _ in 0..<loops {
      let byte = random.next(below: 256)
      options.alignment = 1 << UInt64(byte % 23)
      try unsafe manager.vfree(try manager.vzalloc((byte % 10 + 1) << 12, options))
      watcher.look(manager)
    }
  }
}
