/// What hands out objects: kmalloc, or a malloc of the host.
protocol Heap: AnyObject {
  init(cpus: Int) throws
  func play(_ cpu: Int, _ body: () throws -> Void) rethrows
  func poll(_ cpu: Int)
  func allocate(_ byteCount: Int) throws -> UnsafeMutableRawPointer
  func free(_ object: UnsafeMutableRawPointer) throws
}

/// A heap of which every CPU holds a few objects, and in each pair frees the oldest and gets another, to
/// which it writes a byte. A thread that ends frees its own, so that none meets the objects of another.
final class LiveObjects<Objects: Heap>: Contestant {
  private let heap: Objects
  private let rings: [Ring]

  /// One CPU's objects. The word before and those behind keep two CPUs' places out of one cache line.
  private final class Ring {
    let objects: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    let count: Int
    var next = 0

    init(_ count: Int) {
      self.count = count
      objects = .allocate(capacity: count + 32)
      objects.initialize(repeating: nil, count: count + 32)
    }

    deinit { objects.deallocate() }
  }

  init(cpus: Int, liveAreas: Int) throws {
    heap = try Objects(cpus: cpus)
    rings = (0..<cpus).map { _ in Ring(liveAreas) }
  }

  func play(_ cpu: Int, _ body: () throws -> Void) rethrows {
    try heap.play(cpu) {
      try body()
      for place in 0..<rings[cpu].count {
        guard let object = rings[cpu].objects[place] else { continue }
        rings[cpu].objects[place] = nil
        do { try heap.free(object) } catch { fatalError("an object cannot be freed: \(error)") }
      }
    }
  }

  func poll(_ cpu: Int) { heap.poll(cpu) }

  @inline(__always)
  func pair(_ byteCount: Int, on cpu: Int) throws {
    let ring = rings[cpu]
    if let old = ring.objects[ring.next] { try heap.free(old) }
    let new = try heap.allocate(byteCount)
    new.storeBytes(of: 1, as: UInt8.self)
    ring.objects[ring.next] = new
    ring.next = ring.next &+ 1 == ring.count ? 0 : ring.next &+ 1
  }
}
