import KernelMemory

/// Places for areas, in an area of its own. A place is zero while it has none.
@safe
struct AddressArray {
  let count: Int
  private let manager: MemoryManager
  private let words: UnsafeMutablePointer<UInt>

  /// All places are without an area.
  init(count: Int, on manager: MemoryManager) throws(MemoryError) {
    self.count = count
    self.manager = manager
    let memory = unsafe try manager.vzalloc(count * MemoryLayout<UInt>.stride)
    unsafe words = memory.bindMemory(to: UInt.self, capacity: count)
  }

  func has(_ index: Int) -> Bool { unsafe words[index] != 0 }

  /// Gives a place that has none an area.
  func allocate(
    _ index: Int, byteCount: Int, _ options: VmallocOptions = VmallocOptions()
  ) throws(MemoryError) {
    let memory = unsafe try manager.vmalloc(byteCount, options)
    unsafe words[index] = UInt(bitPattern: memory)
  }

  /// Frees the area of a place, if it has one.
  func free(_ index: Int) throws(MemoryError) {
    let memory = unsafe UnsafeMutableRawPointer(bitPattern: words[index])
    unsafe words[index] = 0
    unsafe try manager.vfree(memory)
  }

  func freeAll() throws(MemoryError) {
    for index in 0..<count { try free(index) }
  }

  /// Frees the places themselves.
  func end() throws(MemoryError) { unsafe try manager.vfree(words) }
}
