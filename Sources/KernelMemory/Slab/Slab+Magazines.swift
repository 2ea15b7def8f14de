internal import CMachine
internal import Synchronization

// Pop and push: kmalloc and kfree on this CPU
//
// The hot path is a straight line over this CPU's own records, and calls nothing. A pop needs an object in
// the magazine or a block on the list, and an allowance for its tag; a push needs room there, and a tag
// without a quota. Where one is missing nothing is changed, and `allocateSlow` or `freeSlow` takes over: it
// refills and pops, or pushes and drains. A push is one function, compiled for each of the two: it makes all
// checks (the frame's metadata, the first byte of an object, one compare-and-swap that retires it) for both.

extension Slab {
  /// An object of a cache, charged to a tag; zero, with nothing changed, where this CPU's magazine is empty
  /// or has its objects checked, the quota is to be asked, or there is no such tag. O(1).
  @inline(__always)
  func pop(_ number: Int, _ tag: Tag, _ cpu: borrowing CPU) -> UInt {
    let magazine = cpu.perCPU.magazines[number]
    guard magazine.value.last.value.object != 0,
      tags.charge(.objects, tag, UInt64(magazine.value.grid.stride), cpu)
    else { return 0 }
    return pop(magazine, tag)
  }

  /// The last object of a magazine that has one.
  @inline(__always)
  func pop(_ magazine: Stable<Magazine>, _ tag: Tag) -> UInt {
    let slot = magazine.value.last
    let owner = UInt8(truncatingIfNeeded: tag.rawValue) &+ 1
    Stable<Atomic<UInt8>>(bitPattern: slot.value.owner).value.store(owner, ordering: .releasing)
    magazine.value.pop()
    return slot.value.object
  }

  /// A block of a size of the hot path, from this CPU's fast list, charged to a tag; zero as for an object.
  @inline(__always)
  func popBlock(_ size: Int, _ tag: Tag, _ cpu: borrowing CPU) -> UInt {
    let list = cpu.perCPU.blockLists[size].value
    let block = list.value.head
    guard block != 0, tags.charge(.objects, tag, list.value.byteCount, cpu) else { return 0 }
    frames.pop(block, from: list, as: .large, note: UInt32(truncatingIfNeeded: tag.rawValue), cpu)
    return UInt(cpu.perCPU.frames.value.table.address(of: FrameNumber(UInt64(block))).rawValue)
  }
}

// MARK: - Push

/// What a push has come to.
enum FreeOutcome: UInt8 {
  case freed
  /// Nothing has changed: the slow path decides. After that, it is no live object or block, or another's.
  case unknown
  /// Somebody else has freed it first. Nobody tries again: the address may have been handed out since, and
  /// not to the caller.
  case alreadyFree
}

extension Slab {
  /// Takes an object back. O(1); slow, O(batch).
  /// - Parameters:
  ///   - object: its address.
  ///   - only: who must be charged for it; nil for anybody.
  ///   - slow: a constant. Whether a full magazine, a tag with a quota, and checked objects are served.
  ///   - cpu: this CPU.
  @inline(__always)
  func pushObject(_ object: UInt, only tag: Tag?, slow: Bool, _ cpu: borrowing CPU) -> FreeOutcome {
    fenceLookup()
    let table = cpu.perCPU.frames.value.table
    guard let metadata = table.metadata(of: table.frame(at: object)) else { return .unknown }
    let state = metadata.value.state
    guard state.isOf(.slab) else { return .unknown }
    let magazine = cpu.perCPU.magazines[state.cache]
    let (index, isFirst) = magazine.value.grid.object(at: object)
    guard isFirst, slow || magazine.value.hasRoom else { return .unknown }
    let word = magazine.value.grid.owner(index, object)
    let owner = word.value.load(ordering: .relaxed)
    guard let charges = charges(Int(owner) &- 1, only: tag, slow: slow, cpu) else { return .unknown }
    guard retire(owner, word) else { return .alreadyFree }
    discharge(charges, UInt64(magazine.value.grid.stride), slow: slow)
    if slow && isChecked {
      guard mayTakeBack(object, state.cache, Tag(index: UInt16(owner) &- 1), cpu) else { return .freed }
      magazine.value.push(Magazine.Slot(checked: object))
    } else {
      magazine.value.push(Magazine.Slot(object, owner: word.address))
    }
    if slow { drainOverfull(state.cache, cpu) }
    return .freed
  }

  /// Takes a block back; as for an object.
  @inline(__always)
  func pushBlock(_ address: UInt, only tag: Tag?, slow: Bool, _ cpu: borrowing CPU) -> FreeOutcome {
    let table = cpu.perCPU.frames.value.table
    let frame = table.frame(at: address)
    guard let metadata = table.metadata(of: frame) else { return .unknown }
    let state = metadata.value.state
    guard slow ? state.isOf(.large) : state.order <= FrameCache.largestFast else { return .unknown }
    let list = slow ? frames.list(state.zone, state.order, cpu) : frames.fastList(state.order, cpu)
    guard state == list.value.large, slow || list.value.hasRoom,
      table.offset(of: address) & UInt(list.value.byteCount &- 1) == 0
    else { return .unknown }
    // Cut to what a tag can be: the word is another's once somebody else has freed the block.
    let owner = Int(UInt8(truncatingIfNeeded: metadata.value.next))
    guard let charges = charges(owner, only: tag, slow: slow, cpu) else { return .unknown }
    let block = UInt32(truncatingIfNeeded: frame.rawValue)
    guard frames.push(block, metadata, from: state, onto: list) else { return .alreadyFree }
    discharge(charges, list.value.byteCount, slow: slow)
    if slow { frames.drainOverfull(list, order: state.order, state.zone, cpu) }
    return .freed
  }

  /// This CPU's record of the tag that memory says it is charged to, where that may be discharged; -1 for
  /// none.
  @inline(__always)
  private func charges(
    _ index: Int, only tag: Tag?, slow: Bool, _ cpu: borrowing CPU
  ) -> Stable<Tags.Charges>? {
    let charges = cpu.perCPU.charges[index]
    guard charges.value.isUnlimited || slow && index >= 0 else { return nil }
    guard let tag else { return charges }
    let isCharged =
      slow ? tags.tag(numbered: index) == tag : charges.value.pass.load(ordering: .relaxed) == tag.rawValue
    return isCharged ? charges : nil
  }

  @inline(__always)
  private func discharge(_ charges: Stable<Tags.Charges>, _ bytes: UInt64, slow: Bool) {
    if slow { tags.discharge(.objects, charges, bytes) } else { charges.discharge(.objects, bytes) }
  }

  /// Retires an object. Of several that try, one succeeds.
  @inline(__always)
  func retire(_ owner: UInt8, _ word: Stable<Atomic<UInt8>>) -> Bool {
    cmachine_step(cmachine_step_object_found)
    return updating(.end) {
      word.value.compareExchange(expected: owner, desired: 0, ordering: .acquiring).exchanged
    }
  }
}

// MARK: - The slow path

extension Slab {
  /// Tells every CPU from which of its fast lists the sizes of the hot path come. What is cut from slabs
  /// comes from none, that is from the list of the largest order, which is always empty.
  func selectBlockLists() {
    for cpu in 0..<cpus.count {
      for size in 0...FrameCache.largestFast {
        let order = size &+ 12 &- Int(pageShift)
        let bytes = UInt(4096) &<< UInt(size)
        let isSlab = bytes <= SizeClass.largest && caches[SizeClass.index(of: bytes)].value.layout.stride != 0
        cpus.perCPU(cpu).blockLists[size].value =
          order < 0 || isSlab
          ? frames.list(cpu, 0, Zone.maxOrder) : cpus.perCPU(cpu).frames.value.fastLists[order]
      }
    }
  }
}

extension Slab {
  /// Takes an object or a block back wherever that is right, and drains what is overfull then.
  @inline(never)
  func freeSlow(_ address: UInt, only tag: Tag?, _ cpu: borrowing CPU) -> FreeOutcome {
    let outcome = pushObject(address, only: tag, slow: true, cpu)
    return outcome != .unknown ? outcome : pushBlock(address, only: tag, slow: true, cpu)
  }
}
