internal import Synchronization

// The shortest way to an object or a block, and back
//
// Nearly every pair of kmalloc: straight lines over this CPU's own records, which call nothing. Each looks
// first whether all is as usual: there is something in the magazine or on the list, or room in it; no link is
// hidden; no quota is to be asked, and no peak looked for. Whatever is not so is left as it is, for the
// longer way. What is freed is checked here as there: the frame's metadata, the first byte of an object, and
// one compare-and-swap that ends a life.

extension Slab {
  /// An object of a cache in the usual case: there is one in this CPU's magazine, no link is hidden, and no
  /// quota is to be asked. Zero, with nothing changed, in another case, and for a tag that does not exist.
  /// O(1).
  @inline(__always)
  func takeAtOnce(_ number: Int, _ tag: Tag, _ cpu: borrowing CPU) -> UInt {
    let magazine = cpu.rooms.magazines[number]
    let object = magazine.value.head
    guard object != 0, tags.charge(.objects, tag, UInt64(magazine.value.grid.stride), cpu) else {
      return 0
    }
    magazine.value.head = Stable<UInt>(bitPattern: object &+ magazine.value.link).value
    handOut(object, magazine, tag)
    return object
  }

  /// As `takeAtOnce`, a block from this CPU's list.
  @inline(__always)
  func takeBlockAtOnce(_ byteCount: UInt, _ tag: Tag, _ cpu: borrowing CPU) -> UInt {
    let table = cpu.rooms.value.table
    let order = UInt.bitWidth &- ((byteCount &- 1) &>> UInt(table.pageSize.shift)).leadingZeroBitCount
    guard order <= BlockCaches.largestUsual else { return 0 }
    let list = frames.usualList(order, cpu)
    let bytes = UInt64(1) &<< UInt64(truncatingIfNeeded: Int(table.pageSize.shift) &+ order)
    guard list.value.count != 0, tags.charge(.objects, tag, bytes, cpu) else { return 0 }
    let block = frames.takeAtOnce(list, as: .large, note: UInt32(truncatingIfNeeded: tag.rawValue), cpu)
    return UInt(table.address(of: FrameNumber(UInt64(block))).rawValue)
  }

  /// Whether a class is one of whole frames.
  @inline(__always)
  func isOfFrames(_ number: Int, _ cpu: borrowing CPU) -> Bool {
    cpu.rooms.magazines[number].value.grid.stride == 0
  }
}

// MARK: - Taking back

/// What the shortest way of a free has come to.
enum FreeOutcome: UInt8 {
  case freed
  /// Nothing has changed: another way must be taken.
  case unknown
  /// Somebody else has ended the life that was found. What is at the address now is not looked at again: it
  /// may be another life already, and not the caller's.
  case alreadyFree
}

extension Slab {
  /// Takes an object back in the usual case: there is room for it in this CPU's magazine, no link is hidden,
  /// and there is no quota. O(1).
  /// - Parameters:
  ///   - object: its address.
  ///   - only: who must be charged for it; nil for anybody.
  ///   - cpu: this CPU.
  /// - Returns: `unknown` in another case, and where this is no live object.
  @inline(__always)
  func freeAtOnce(_ object: UInt, only tag: Tag? = nil, _ cpu: borrowing CPU) -> FreeOutcome {
    let frame = cpu.rooms.value.table.frame(at: object)
    guard let metadata = cpu.rooms.value.table.metadata(of: frame) else { return .unknown }
    let state = metadata.value.state
    guard state.isOf(.slab) else { return .unknown }
    let magazine = cpu.rooms.magazines[state.cache]
    let (index, isFirst) = magazine.value.grid.object(at: object)
    guard isFirst, magazine.value.count < magazine.value.limit else { return .unknown }
    let word = magazine.value.grid.owner(index, object)
    let owner = Int(word.value.load(ordering: .relaxed))
    // One behind the tag's.
    let charges = cpu.rooms.charges[owner &- 1]
    guard owner != 0, charges.value.isUnlimited else { return .unknown }
    if let tag, charges.value.pass.load(ordering: .relaxed) != tag.rawValue { return .unknown }
    guard end(UInt8(truncatingIfNeeded: owner), word) else { return .alreadyFree }
    charges.discharge(.objects, UInt64(magazine.value.grid.stride))
    Stable<UInt>(bitPattern: object &+ magazine.value.link).value = magazine.value.head
    magazine.value.head = object
    magazine.value.count &+= 1
    return .freed
  }

  /// As `freeAtOnce`, of a block that goes to this CPU's list.
  @inline(__always)
  func freeBlockAtOnce(_ address: UInt, only tag: Tag? = nil, _ cpu: borrowing CPU) -> FreeOutcome {
    let table = cpu.rooms.value.table
    let frame = table.frame(at: address)
    guard let metadata = table.metadata(of: frame) else { return .unknown }
    let state = metadata.value.state
    let order = state.order
    guard order <= BlockCaches.largestUsual, table.address(of: frame).rawValue == UInt64(address) else {
      return .unknown
    }
    let idle = cpu.rooms.value.usualIdle.adding(order: order)
    let list = frames.usualList(order, cpu)
    guard state == idle.changing(from: .idle, to: .large), list.value.hasRoom else { return .unknown }
    // Cut to what a tag can be: the word is another's once somebody else has freed the block.
    let owner = Int(UInt8(truncatingIfNeeded: metadata.value.next))
    let charges = cpu.rooms.charges[owner]
    guard charges.value.isUnlimited else { return .unknown }
    if let tag, charges.value.pass.load(ordering: .relaxed) != tag.rawValue { return .unknown }
    guard frames.giveAtOnce(frame, metadata, from: state, to: idle, list) else { return .alreadyFree }
    charges.discharge(.objects, 1 &<< UInt64(truncatingIfNeeded: Int(table.pageSize.shift) &+ order))
    return .freed
  }
}
