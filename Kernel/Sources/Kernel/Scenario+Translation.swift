import BareMetal
import CKernel
import KernelMemory

// What the CPU makes of entries, and of flushes.

// MARK: - Types of memory

extension Scenario {
  private static var types: InlineArray<5, CacheType> {
    [.writeBack, .writeCombining, .uncachedMinus, .uncached, .writeThrough]
  }

  /// Maps a frame with each type of memory: a store through that mapping is found in the linear map, or the
  /// type is refused, with the error that is for that.
  static func useCacheTypes(_ manager: MemoryManager) throws(MemoryError) -> Never {
    let frame = try manager.allocateFrames()
    for index in 0..<types.count {
      var console = SerialPort.console
      console.write("cache.type.")
      console.write(decimal: UInt64(index))
      do throws(MemoryError) {
        let found = try use(types[index], of: frame, UInt64(index) + 1, manager)
        console.write(found ? "=used\n" : "=wrong\n")
      } catch {
        guard case .cacheTypeUnavailable(types[index]) = error else { throw error }
        console.write("=refused\n")
      }
    }
    try manager.freeFrames(frame)
    exit(.success)
  }

  /// - Returns: whether the word was found, and the entry says of which type it is.
  private static func use(
    _ type: CacheType, of frame: FrameNumber, _ word: UInt64, _ manager: MemoryManager
  ) throws(MemoryError) -> Bool {
    let pointer = unsafe try withUnsafePointer(to: frame) {
      (frame) throws(MemoryError) in
      unsafe try manager.vmap(UnsafeBufferPointer(start: frame, count: 1), cache: type)
    }
    unsafe pointer.storeBytes(of: word, as: UInt64.self)
    let isOfType = unsafe manager.mapping(at: VirtualAddress(pointer))?.attributes.cache == type
    unsafe try manager.vunmap(pointer)
    return unsafe isOfType
      && manager.linearAddress(of: frame).pointer?.load(as: UInt64.self) == word
  }
}

// MARK: - Flushes

extension Scenario {
  /// Pages of an area: single ones, as many as ranges of TLBI have, more and fewer, and more than are flushed
  /// one by one anywhere.
  private static var sizes: InlineArray<9, Int> { [1, 2, 3, 16, 17, 64, 65, 513, 2_049] }

  /// Uses each page of areas, frees them, and counts the pages that this CPU still translates. Strict mode.
  static func flushAreas(_ manager: MemoryManager) throws(MemoryError) -> Never {
    // Has the table of those behind it stay.
    _ = unsafe try manager.vmalloc(1)
    let before = manager.counters[.flushesOfAll]
    var stale = 0
    for index in 0..<sizes.count {
      let byteCount = sizes[index] * Int(Platform.pageSize.bytes)
      let pointer = unsafe try manager.vmalloc(byteCount)
      let start = UInt(bitPattern: pointer)
      for offset in stride(from: UInt(0), to: UInt(byteCount), by: Int(Platform.pageSize.bytes)) {
        _ = kernel_probe_store(start + offset, 0x5a)
      }
      unsafe try manager.vfree(pointer)
      for offset in stride(from: UInt(0), to: UInt(byteCount), by: Int(Platform.pageSize.bytes)) {
        var value: UInt = 0
        if unsafe kernel_probe_load(start + offset, &value).error_code == .max { stale += 1 }
      }
    }
    var console = SerialPort.console
    console.write("flush.stale", equals: UInt64(stale))
    console.write("flush.everything", equals: manager.counters[.flushesOfAll] - before)
    exit(stale == 0 ? .success : .jobFailed)
  }
}
