import KernelMemory

/// Areas of 1 to 100 pages, each as likely, one at a time.
struct RandomSizeTest: VmallocTest {
  private var random = RandomNumbers(seed: 8)

  var name: StaticString { "random_size_alloc_test" }
  var row: StaticString? { "test_random_size" }
  var loops: UInt64 { 20_000 }

  mutating func run(on manager: MemoryManager, _ watcher: inout some LoopWatcher) throws(MemoryError) {
    for _ in 0..<loops {
      let memory = unsafe try manager.vmalloc((1 + random.next(below: 100)) << 12)
      unsafe memory.storeBytes(of: 1, as: UInt8.self)
      unsafe try manager.vfree(memory)
      watcher.look(manager)
    }
  }
}
