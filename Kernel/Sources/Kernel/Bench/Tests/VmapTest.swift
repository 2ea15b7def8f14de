import KernelMemory

/// The same frames, mapped and unmapped again and again.
struct VmapTest: VmallocTest {
  let pages: Int

  var name: StaticString { "vm_map_ram_test" }
  var loops: UInt64 { 50_000 }
  var row: StaticString? { pages == 1 ? "test_vm_map_ram_1" : "test_vm_map_ram_64" }

  func run(on manager: MemoryManager, _ watcher: inout some LoopWatcher) throws(MemoryError) {
    let frames = try BorrowedFrames(pages, from: manager)
    for _ in 0..<loops {
      let memory = unsafe try manager.vmap(frames.buffer)
      unsafe memory.storeBytes(of: UInt8(ascii: "a"), as: UInt8.self)
      unsafe try manager.vunmap(memory)
      watcher.look(manager)
    }
    try frames.free(to: manager)
  }
}

/// Frames that are to be mapped, and their numbers, in a page of memory.
@safe
struct BorrowedFrames {
  let buffer: UnsafeBufferPointer<FrameNumber>
  private let memory: UnsafeMutableRawPointer

  init(_ count: Int, from manager: MemoryManager) throws(MemoryError) {
    unsafe memory = try manager.vmalloc(count * MemoryLayout<FrameNumber>.stride)
    let numbers = unsafe memory.bindMemory(to: FrameNumber.self, capacity: count)
    for index in 0..<count { try unsafe (numbers + index).initialize(to: manager.allocateFrames()) }
    unsafe buffer = UnsafeBufferPointer(start: numbers, count: count)
  }

  /// What was mapped is flushed first.
  func free(to manager: MemoryManager) throws(MemoryError) {
    try manager.flushRetired()
    for index in unsafe buffer.indices { try unsafe manager.freeFrames(buffer[index]) }
    unsafe try manager.vfree(memory)
  }
}
