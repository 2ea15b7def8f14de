import KernelMemory

/// A large area and a small one, while 15,000 others are live.
struct LongBusyListTest: VmallocTest {
  var name: StaticString { "long_busy_list_alloc_test" }
  var row: StaticString? { "test_long_busy_list" }
  var loops: UInt64 { 100_000 }

  private var liveAreas: Int { 15_000 }

  func run(on manager: MemoryManager, _ watcher: inout some LoopWatcher) throws(MemoryError) {
    let live = try AddressArray(count: liveAreas, on: manager)
    for index in 0..<liveAreas { try live.allocate(index, byteCount: 4096) }
    for _ in 0..<loops {
      let large = unsafe try manager.vmalloc(100 << 12)
      let small = unsafe try manager.vmalloc(4096)
      unsafe large.storeBytes(of: 0, as: UInt8.self)
      unsafe small.storeBytes(of: 1, as: UInt8.self)
      unsafe try manager.vfree(large)
      unsafe try manager.vfree(small)
      watcher.look(manager)
    }
    try live.freeAll()
    try live.end()
  }
}
