import KernelMemory

/// A cache of keys: sets of some places each, of which the one that was used longest ago is replaced.
@safe
struct AssociativeCache {
  private struct Place {
    /// One more than the key; zero where there is none.
    var tag: UInt64
    var lastUse: UInt64
  }

  private let manager: MemoryManager
  private let sets: UInt64
  private let ways: Int
  private let places: UnsafeMutablePointer<Place>
  /// Lookups so far, before the first place.
  private let time: UnsafeMutablePointer<UInt64>

  /// - Parameters:
  ///   - sets: a power of two.
  ///   - ways: places of a set.
  ///   - manager: where its memory comes from.
  init(sets: UInt64, ways: Int, on manager: MemoryManager) throws(MemoryError) {
    self.manager = manager
    self.sets = sets
    self.ways = ways
    let count = Int(sets) * ways
    let memory = unsafe try manager.vzalloc((count + 1) * MemoryLayout<Place>.stride)
    unsafe time = memory.bindMemory(to: UInt64.self, capacity: 1)
    unsafe places = (memory + MemoryLayout<Place>.stride).bindMemory(to: Place.self, capacity: count)
  }

  /// Whether a key was there; it is from now on.
  func look(up key: UInt64) -> Bool {
    unsafe time.pointee += 1
    let set = unsafe places + Int(key & (sets - 1)) * ways
    var oldest = 0
    for way in 0..<ways {
      if unsafe set[way].tag == key + 1 {
        unsafe set[way].lastUse = time.pointee
        return true
      }
      if unsafe set[way].lastUse < set[oldest].lastUse { oldest = way }
    }
    unsafe set[oldest] = Place(tag: key + 1, lastUse: time.pointee)
    return false
  }

  func end() throws(MemoryError) { unsafe try manager.vfree(time) }
}
