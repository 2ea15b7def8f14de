import KernelMemory

/// Areas of one page, where many holes have room for exactly one: of twice as many areas that lie side by
/// side, each other one is freed first.
struct FullFitTest: VmallocTest {
  var name: StaticString { "full_fit_alloc_test" }
  var row: StaticString? { "test_full_fit" }
  var loops: UInt64 { 100_000 }

  /// Together twice what Linux lets be freed and not flushed.
  private var holes: Int { Int(Figures.unflushedLimit) }

  func run(on manager: MemoryManager, _ watcher: inout some LoopWatcher) throws(MemoryError) {
    let kept = try AddressArray(count: holes, on: manager)
    let junk = try AddressArray(count: holes, on: manager)
    for index in 0..<holes {
      try kept.allocate(index, byteCount: 4096)
      try junk.allocate(index, byteCount: 4096)
    }
    for index in 0..<holes {
      try junk.free(index)
      // No free waits, so other CPUs may flush later than so many frees would have them to.
      if Processors.count == 1 { watcher.look(manager) }
    }
    for _ in 0..<loops {
      let memory = unsafe try manager.vmalloc(4096)
      unsafe memory.storeBytes(of: 1, as: UInt8.self)
      unsafe try manager.vfree(memory)
      watcher.look(manager)
    }
    try kept.freeAll()
    try junk.end()
    try kept.end()
  }
}
