internal import Synchronization

extension Slab {
  /// Checks every invariant of this room while nothing runs, and names the first that does not hold.
  /// O(frames + caches × CPUs + objects).
  func validate() -> StaticString? {
    var problem: StaticString?
    for number in 0..<Self.capacity where problem == nil && caches[number].value.layout.stride != 0 {
      problem = checkLists(number) ?? checkMagazines(number)
    }
    return problem ?? checkSlabs()
  }

  private func checkLists(_ number: Int) -> StaticString? {
    let cache = caches[number]
    let capacity = cache.value.layout.capacity
    var (empty, all) = (0, 0)
    if let problem = checkList(cache.value.vacant, number, out: 0..<1, &empty) { return problem }
    if let problem = checkList(cache.value.partial, number, out: 1..<capacity, &all) { return problem }
    if let problem = checkList(cache.value.full, number, out: capacity..<capacity &+ 1, &all) {
      return problem
    }
    guard empty == cache.value.empty else { return "a cache's count of empty slabs is wrong" }
    return empty &+ all == cache.value.slabs ? nil : "a slab is on no list of its cache"
  }

  /// - Parameters:
  ///   - first: the first slab.
  ///   - number: the cache's.
  ///   - out: how many objects of each slab are out.
  ///   - count: grows by the slabs.
  private func checkList(
    _ first: UInt32, _ number: Int, out: Range<Int>, _ count: inout Int
  ) -> StaticString? {
    var (slab, previous): (UInt32, UInt32) = (first, 0)
    while slab != 0 {
      let state = table[slab].value.state
      guard state.kind == .slab, state.cache == number else { return "a cache's list has another's slab" }
      guard table[slab].value.previous == previous else { return "a slab's back link is wrong" }
      guard out.contains(state.count) else { return "a slab is on the wrong list of its cache" }
      count &+= 1
      (previous, slab) = (slab, table[slab].value.next)
    }
    return nil
  }

  private func checkMagazines(_ number: Int) -> StaticString? {
    let cache = caches[number]
    for cpu in 0..<cpus.count {
      let magazine = magazine(cpu, number)
      guard magazine.value.count <= cache.value.limit else { return "a magazine is over its bound" }
      for index in 0..<magazine.value.count where !isChained(magazine.value.object(index), number) {
        return "a magazine has what is no free object of its cache"
      }
    }
    return nil
  }

  /// The length of a chain of free objects; nil where it has anything else.
  private func chain(from first: UInt, _ number: Int) -> Int? {
    let cache = caches[number]
    var object = first
    var count = 0
    while object != 0 {
      guard isChained(object, number), count <= 65_535 else { return nil }
      count &+= 1
      object = next(after: object, cache)
    }
    return count
  }

  /// Every slab, by the frames; then what the caches count.
  private func checkSlabs() -> StaticString? {
    var problem: StaticString?
    var sums = InlineArray<128, Sums>(repeating: Sums())
    forEachSlab { slab, state in
      let number = state.cache
      let cache = caches[number]
      sums[number].slabs &+= 1
      sums[number].out &+= state.count
      sums[number].live &+= countOwned(slab, cache)
      let offset = UInt(bitPattern: max(state.slot, 1) &- 1) &* cache.value.layout.stride
      let length = chain(from: state.slot == 0 ? 0 : address(of: slab) &+ offset, number)
      if length != cache.value.layout.capacity &- state.count {
        problem = "a slab's count disagrees with its chain"
      }
    }
    for number in 0..<Self.capacity where caches[number].value.layout.stride != 0 {
      let cache = caches[number]
      let sums = sums[number]
      if sums.slabs != cache.value.slabs { problem = "a slab is in no cache's count" }
      if sums.out != cache.value.outstanding { problem = "a cache's objects disagree with its slabs' counts" }
      if sums.live &+ cached(number) &+ cache.value.abandoned != sums.out { problem = "an object is nowhere" }
    }
    return problem
  }

  private struct Sums {
    var (slabs, out, live) = (0, 0, 0)
  }

  /// Objects of a cache in all magazines. O(CPUs).
  func cached(_ number: Int) -> Int {
    var sum = 0
    for cpu in 0..<cpus.count { sum &+= magazine(cpu, number).value.count }
    return sum
  }

  private func countOwned(_ slab: UInt32, _ cache: Stable<CacheBlock>) -> Int {
    let layout = cache.value.layout
    var count = 0
    for offset in layout.owners...layout.mask {
      let owner = Stable<Atomic<UInt8>>(bitPattern: address(of: slab) &+ offset)
      if owner.value.load(ordering: .relaxed) != 0 { count &+= 1 }
    }
    return count
  }

  private func forEachSlab(_ body: (UInt32, FrameState) -> Void) {
    table.forEach { frame, metadata in
      let state = metadata.value.state
      guard state.kind == .slab, frame & ((1 &<< UInt32(state.order)) &- 1) == 0 else { return }
      body(frame, state)
    }
  }
}
