import KernelMemory

/// Areas of one size, one at a time.
struct FixedSizeTest: VmallocTest {
  let pages: Int

  var name: StaticString { "fix_size_alloc_test" }
  var loops: UInt64 { pages == 1 ? 100_000 : 20_000 }

  var row: StaticString? {
    switch pages {
    case 1: "test_fix_size_1"
    case 4: "test_fix_size_4"
    case 16: "test_fix_size_16"
    case 64: "test_fix_size_64"
    case 512: "test_fix_size_512"
    default: nil
    }
  }

  func run(on manager: MemoryManager, _ watcher: inout some LoopWatcher) throws(MemoryError) {
    for _ in 0..<loops {
      let memory = unsafe try manager.vmalloc(pages << 12)
      unsafe memory.storeBytes(of: 0, as: UInt8.self)
      unsafe try manager.vfree(memory)
      watcher.look(manager)
    }
  }
}
