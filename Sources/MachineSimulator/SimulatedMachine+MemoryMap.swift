public import KernelMemory

extension SimulatedMachine {
  /// What firmware would report: all RAM, as usable, with room for 128 rows more. It lies in memory of this
  /// machine, which asking again writes anew.
  public var memoryMap: MemoryMap {
    get throws(MemoryError) {
      let map = unsafe MemoryMap(in: mapStorage.bytes)
      for region in memory.regions {
        try map.add(.usable, at: region.start, byteCount: region.byteCount)
      }
      return map
    }
  }
}

/// Memory for a map of what a machine has.
@safe
final class MapStorage {
  let bytes: UnsafeMutableRawBufferPointer

  init(regions: Int) {
    let count = MemoryMap.byteCount(rows: regions + 128)
    unsafe bytes = .allocate(byteCount: count, alignment: MemoryLayout<UInt64>.alignment)
  }

  deinit { unsafe bytes.deallocate() }
}
