@testable import KernelMemory

extension MemoryMap {
  /// An empty map in memory of the process, which is never given back.
  init(rows: Int = 128) {
    let count = MemoryMap.byteCount(rows: rows)
    self.init(in: .allocate(byteCount: count, alignment: MemoryLayout<UInt64>.alignment))
  }
}
