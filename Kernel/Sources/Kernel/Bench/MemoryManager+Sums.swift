import KernelMemory

extension MemoryManager {
  /// Frames in all.
  var managedFrames: UInt64 {
    usage(of: .dma).managed.rawValue + usage(of: .dma32).managed.rawValue
      + usage(of: .normal).managed.rawValue
  }

  var liveAreas: UInt64 {
    let counters = counters
    return counters[.areasAllocated] - counters[.areasFreed]
  }

  /// Page tables that were made since the start and have not come back.
  var tablesInUse: UInt64 {
    let counters = counters
    return counters[.tablesMade] - counters[.tablesReturned]
  }
}
