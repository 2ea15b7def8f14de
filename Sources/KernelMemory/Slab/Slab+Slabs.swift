internal import CMachine
internal import Synchronization

// Refilling and draining: between magazines and slabs
//
// Under the cache's lock, half a magazine at a time, so that a pair pays a fraction of the lock. Invariants:
// a slab's count is the objects that are not in its chain; its slot is one more than the first of the chain,
// zero for none; it is on the list that its count says (vacant, partial, full). One vacant slab of a cache
// stays, since use that crosses a slab's border would else make and free it each time.

extension Slab {
  /// Fills an empty magazine by half, from slabs that have a free object, or from a new one.
  /// - Returns: whether it has an object now.
  @inline(never)
  func refill(_ number: Int, _ cpu: borrowing CPU) -> Bool {
    guard caches[number].value.layout.stride != 0 else { return false }
    let magazine = cpu.perCPU.magazines[number]
    withLock(number, cpu) { _ in takeObjects(number, into: magazine, cpu) }
    if magazine.value.count == 0, let slab = makeSlab(number, cpu) {
      // Constructors ran before the lock is taken, since they may take long.
      withLock(number, cpu) { cache in
        add(slab, cache)
        takeObjects(number, into: magazine, cpu)
      }
    }
    guard magazine.value.count != 0 else { return false }
    cpu.count(.magazineRefills)
    return true
  }

  private func takeObjects(_ number: Int, into magazine: Stable<Magazine>, _ cpu: borrowing CPU) {
    let cache = caches[number]
    while magazine.value.count < cache.value.batch {
      let slab = cache.value.partial != 0 ? cache.value.partial : cache.value.vacant
      guard slab != 0 else { return }
      let state = table[slab].value.state
      let capacity = cache.value.layout.capacity
      let wanted = min(cache.value.batch &- magazine.value.count, capacity &- state.count)
      let (taken, rest) = takeObjects(wanted, of: slab, number, into: magazine, cpu)
      let out = rest == 0 ? capacity : state.count &+ taken
      let slot = rest == 0 ? 0 : Int(cache.value.layout.grid.object(at: rest).index) &+ 1
      table[slab].value.setState(state.counting(out, slot: slot))
      cache.value.outstanding &+= out &- state.count
      cache.value.abandoned &+= out &- state.count &- taken
      cache.value.peak = max(cache.value.peak, cache.value.outstanding)
      move(slab, from: state.count, to: out, cache)
    }
  }

  /// Takes the first `wanted` objects of a slab's chain, or those before a link that is damaged. The first
  /// will be handed out first.
  /// - Returns: how many, and the next object: zero at the end of the chain, and behind a damaged link.
  private func takeObjects(
    _ wanted: Int, of slab: UInt32, _ number: Int, into magazine: Stable<Magazine>, _ cpu: borrowing CPU
  ) -> (taken: Int, rest: UInt) {
    let cache = caches[number]
    let state = table[slab].value.state
    let length = cache.value.layout.capacity &- state.count
    var object = address(of: slab) &+ UInt(state.slot &- 1) &* cache.value.layout.stride
    for taken in 0..<wanted {
      let next = next(after: object, cache)
      if cache.value.hidesLinks && !isChained(next, number, isLast: taken &+ 1 == length) {
        report(.corruptLink, number, noteTag(object, cache), object, cpu)
        magazine.value.grow(by: taken, of: wanted)
        return (taken, 0)
      }
      wipeLink(object, cache)
      let slot =
        cache.value.padding != 0
        ? Magazine.Slot(checked: object) : Magazine.Slot(object, owner: owner(of: object, cache).address)
      magazine.value.place(slot, above: wanted &- taken)
      object = next
    }
    magazine.value.grow(by: wanted, of: wanted)
    return (wanted, object)
  }

  /// Drains a magazine into which one object too many was pushed.
  func drainOverfull(_ number: Int, _ cpu: borrowing CPU) {
    let cache = caches[number]
    guard cpu.perCPU.magazines[number].value.count > cache.value.limit else { return }
    drain(number, downTo: cache.value.batch, cpu)
  }

  /// Returns objects of this CPU's magazine to their slabs, until `count` are left.
  @inline(never)
  func drain(_ number: Int, downTo count: Int, _ cpu: borrowing CPU) {
    let magazine = cpu.perCPU.magazines[number]
    guard magazine.value.count > count else { return }
    cpu.count(.magazineDrains)
    withLock(number, cpu) { cache in
      while magazine.value.count > count {
        let object = magazine.value.last.value.address
        magazine.value.pop()
        putBack(object, cache)
      }
      returnEmpty(cache, keeping: CacheBlock.emptyLimit, cpu)
    }
    quarantine.sealSlabs(cpu)
  }

  private func putBack(_ object: UInt, _ cache: Stable<CacheBlock>) {
    let slab = slab(of: object, cache)
    let state = table[slab].value.state
    let start = address(of: slab)
    let next = state.slot == 0 ? 0 : start &+ UInt(state.slot &- 1) &* cache.value.layout.stride
    setNext(next, after: object, cache)
    let index = cache.value.layout.grid.object(at: object).index
    table[slab].value.setState(state.counting(state.count &- 1, slot: Int(index) &+ 1))
    cache.value.outstanding &-= 1
    move(slab, from: state.count, to: state.count &- 1, cache)
  }

  /// Moves a slab to the list that it belongs on, when so many of its objects are out. O(1).
  private func move(_ slab: UInt32, from old: Int, to new: Int, _ cache: Stable<CacheBlock>) {
    let capacity = cache.value.layout.capacity
    guard old == 0 || old == capacity || new == 0 || new == capacity else { return }
    if old == 0 {
      table.remove(slab, from: &cache.value.vacant)
      cache.value.empty &-= 1
    } else if old == capacity {
      table.remove(slab, from: &cache.value.full)
    } else {
      table.remove(slab, from: &cache.value.partial)
    }
    if new == 0 {
      table.insert(slab, into: &cache.value.vacant)
      cache.value.empty &+= 1
    } else if new == capacity {
      table.insert(slab, into: &cache.value.full)
    } else {
      table.insert(slab, into: &cache.value.partial)
    }
  }

  /// Objects whose way back to their slabs is as much work as a page.
  private static let objectsPerPage = 3

  /// Returns this CPU's magazines, and after the last one every empty slab, whose flush is the caller's to
  /// ask for. The magazine that takes it past its budget is the last one: 128 objects at the most. O(caches +
  /// budget).
  /// - Parameters:
  ///   - budget: pages of work.
  ///   - cpu: this CPU.
  /// - Returns: what is left of the budget; not above zero where objects may be left.
  func drain(budget: Int, _ cpu: borrowing CPU) -> Int {
    var left = budget
    for number in 0..<Self.capacity {
      let count = cpu.perCPU.magazines[number].value.count
      guard count > 0 else { continue }
      drain(number, downTo: 0, cpu)
      left &-= 1 &+ count / Self.objectsPerPage
      guard left > 0 else { return left }
    }
    for number in 0..<Self.capacity where caches[number].value.layout.stride != 0 {
      withLock(number, cpu) { cache in returnEmpty(cache, keeping: 0, cpu) }
    }
    return left
  }
}

// MARK: - Making and returning slabs

extension Slab {
  /// A slab that is on no list, its objects chained in ascending order, but for the first, which comes last:
  /// at its address a free looks for a block.
  private func makeSlab(_ number: Int, _ cpu: borrowing CPU) -> UInt32? {
    let cache = caches[number]
    let layout = cache.value.layout
    guard let block = frames.pop(order: layout.order, .normal, cpu) else { return nil }
    let zone = table[block].value.state.zone
    let start = address(of: block)
    // Before anybody takes the frames for a slab: a late free would find owners in what is left there.
    unsafe Stable<UInt8>(bitPattern: start &+ layout.owners).pointer.initialize(
      repeating: 0, count: Int(layout.mask &+ 1 &- layout.owners))
    atomicMemoryFence(ordering: .releasing)
    for offset in 0..<(UInt32(1) &<< UInt32(layout.order)) {
      table[block &+ offset].value.setState(FrameState(slabOf: number, order: layout.order, zone: zone))
    }
    cmachine_step(cmachine_step_slab_marked)
    let first = 1 % layout.capacity
    table[block].value.setState(table[block].value.state.counting(0, slot: first &+ 1))
    var next: UInt = 0
    for index in (1...layout.capacity).reversed() {
      let object = start &+ UInt(index % layout.capacity) &* layout.stride
      prepare(object, cache)
      setNext(next, after: object, cache)
      next = object
    }
    cpu.count(.slabsMade)
    return block
  }

  /// What an object has before it is handed out for the first time.
  private func prepare(_ object: UInt, _ cache: Stable<CacheBlock>) {
    guard let constructor = unsafe cache.value.constructor else {
      if cache.value.padding != 0 { poison(object, cache) }
      return
    }
    let pointer = unsafe UnsafeMutableRawPointer(bitPattern: object).unsafelyUnwrapped
    unsafe constructor(pointer, cache.value.context)
  }

  private func add(_ slab: UInt32, _ cache: Stable<CacheBlock>) {
    table.insert(slab, into: &cache.value.vacant)
    cache.value.slabs &+= 1
    cache.value.empty &+= 1
  }

  /// Gives slabs of which nothing is out back to the frames. O(those).
  func returnEmpty(_ cache: Stable<CacheBlock>, keeping limit: Int, _ cpu: borrowing CPU) {
    while cache.value.empty > limit {
      cache.value.empty &-= 1
      giveBack(firstOf: &cache.value.vacant, cache, cpu)
    }
  }

  /// Gives the slabs back of which only abandoned objects are out. O(slabs).
  func returnAbandoned(_ cache: Stable<CacheBlock>, _ cpu: borrowing CPU) {
    while cache.value.partial != 0 { giveBack(firstOf: &cache.value.partial, cache, cpu) }
    while cache.value.full != 0 { giveBack(firstOf: &cache.value.full, cache, cpu) }
  }

  private func giveBack(firstOf list: inout UInt32, _ cache: Stable<CacheBlock>, _ cpu: borrowing CPU) {
    let slab = list
    table.remove(slab, from: &list)
    cache.value.slabs &-= 1
    let state = table[slab].value.state
    for offset in 0..<(UInt32(1) &<< UInt32(state.order)) where offset != 0 {
      table[slab &+ offset].value.setState(FrameState(.tail, zone: state.zone))
    }
    cpu.count(.slabsReturned)
    if noFreeIsUnderWay {
      frames.push(slab, order: state.order, state.zone, table, cpu)
      #if Ablations
      if Ablation.readReturnedSlab.isOn { countOwners(slab, cache, cpu) }
      #endif
    } else {
      quarantine.retire(slab: slab, order: state.order, cpu)
    }
  }

  #if Ablations
  /// Counts what has an owner in a slab: right where the slab is still one.
  private func countOwners(_ slab: UInt32, _ cache: Stable<CacheBlock>, _ cpu: borrowing CPU) {
    let layout = cache.value.layout
    let owners = Stable<Atomic<UInt8>>(bitPattern: address(of: slab) &+ layout.owners)
    for index in 0..<layout.capacity where owners[index].value.load(ordering: .relaxed) != 0 {
      cpu.count(.slabViolations)
    }
  }
  #endif

  /// Whether no other CPU can be in the middle of a free.
  private var noFreeIsUnderWay: Bool {
    #if Ablations
    if Ablation.returnSlabDirectly.isOn { return true }
    #endif
    return cpus.count == 1
  }
}
