internal import Synchronization

// A pair of kmalloc that stays on this CPU
//
// Straight lines over this CPU's own records, which call nothing. `pop` needs an object in the magazine or a
// block on the list, plain links, and a tag without a quota; `push` needs room, and the same. Where one is
// missing nothing is changed, and `allocateSlow` or `freeSlow` takes over. A free makes the same checks on
// both paths: the frame's metadata, the first byte of an object, and one compare-and-swap that retires it.

extension Slab {
  /// An object of a cache, charged to a tag; zero, with nothing changed, where this CPU's magazine is empty
  /// or hides its links, the quota is to be asked, or there is no such tag. O(1).
  @inline(__always)
  func pop(_ number: Int, _ tag: Tag, _ cpu: borrowing CPU) -> UInt {
    let magazine = cpu.perCPU.magazines[number]
    guard magazine.value.head != 0,
      tags.charge(.objects, tag, UInt64(magazine.value.grid.stride), cpu)
    else { return 0 }
    return pop(magazine, tag)
  }

  /// The first object of a magazine that has one, and hides no links.
  @inline(__always)
  func pop(_ magazine: Stable<Magazine>, _ tag: Tag) -> UInt {
    let object = magazine.value.head
    magazine.value.head = Stable<UInt>(bitPattern: object &+ magazine.value.linkOffset).value
    handOut(object, magazine, tag)
    return object
  }

  /// Notes who owns the object that was first in a magazine.
  @inline(__always)
  func handOut(_ object: UInt, _ magazine: Stable<Magazine>, _ tag: Tag) {
    magazine.value.count &-= 1
    let owner = UInt8(truncatingIfNeeded: tag.rawValue) &+ 1
    magazine.value.grid.owner(of: object).value.store(owner, ordering: .releasing)
  }

  /// A block from this CPU's fast list, charged to a tag; zero as for an object.
  @inline(__always)
  func popBlock(_ byteCount: UInt, _ tag: Tag, _ cpu: borrowing CPU) -> UInt {
    let table = cpu.perCPU.frames.value.table
    let order = UInt.bitWidth &- ((byteCount &- 1) &>> UInt(table.pageSize.shift)).leadingZeroBitCount
    guard order <= FrameCache.largestFast else { return 0 }
    let list = frames.fastList(order, cpu)
    let bytes = UInt64(1) &<< UInt64(truncatingIfNeeded: Int(table.pageSize.shift) &+ order)
    guard list.value.count != 0, tags.charge(.objects, tag, bytes, cpu) else { return 0 }
    let block = frames.pop(from: list, as: .large, note: UInt32(truncatingIfNeeded: tag.rawValue), cpu)
    return UInt(table.address(of: FrameNumber(UInt64(block))).rawValue)
  }

  /// Whether a class is one of whole frames.
  @inline(__always)
  func isOfFrames(_ number: Int, _ cpu: borrowing CPU) -> Bool {
    cpu.perCPU.magazines[number].value.grid.stride == 0
  }
}

// MARK: - Taking back

/// What a push has come to.
enum FreeOutcome: UInt8 {
  case freed
  /// Nothing has changed: `freeSlow` decides.
  case unknown
  /// Somebody else has freed it first. `freeSlow` does not try again: the address may have been handed out
  /// since, and not to the caller.
  case alreadyFree
}

extension Slab {
  /// Takes an object back where there is room for it in this CPU's magazine, no link is hidden, and there is
  /// no quota. O(1).
  /// - Parameters:
  ///   - object: its address.
  ///   - only: who must be charged for it; nil for anybody.
  ///   - cpu: this CPU.
  /// - Returns: `unknown` in another case, and where this is no live object.
  @inline(__always)
  func push(_ object: UInt, only tag: Tag? = nil, _ cpu: borrowing CPU) -> FreeOutcome {
    let frame = cpu.perCPU.frames.value.table.frame(at: object)
    guard let metadata = cpu.perCPU.frames.value.table.metadata(of: frame) else { return .unknown }
    let state = metadata.value.state
    guard state.isOf(.slab) else { return .unknown }
    let magazine = cpu.perCPU.magazines[state.cache]
    let (index, isFirst) = magazine.value.grid.object(at: object)
    guard isFirst, magazine.value.count < magazine.value.limit else { return .unknown }
    let word = magazine.value.grid.owner(index, object)
    let owner = Int(word.value.load(ordering: .relaxed))
    // One behind the tag's.
    let charges = cpu.perCPU.charges[owner &- 1]
    guard owner != 0, charges.value.isUnlimited else { return .unknown }
    if let tag, charges.value.pass.load(ordering: .relaxed) != tag.rawValue { return .unknown }
    guard retire(UInt8(truncatingIfNeeded: owner), word) else { return .alreadyFree }
    charges.discharge(.objects, UInt64(magazine.value.grid.stride))
    push(object, magazine)
    return .freed
  }

  /// Puts an object into a magazine that hides no links.
  @inline(__always)
  func push(_ object: UInt, _ magazine: Stable<Magazine>) {
    Stable<UInt>(bitPattern: object &+ magazine.value.linkOffset).value = magazine.value.head
    magazine.value.head = object
    magazine.value.count &+= 1
  }

  /// Takes a block back onto this CPU's fast list; as for an object.
  @inline(__always)
  func pushBlock(_ address: UInt, only tag: Tag? = nil, _ cpu: borrowing CPU) -> FreeOutcome {
    let table = cpu.perCPU.frames.value.table
    let frame = table.frame(at: address)
    guard let metadata = table.metadata(of: frame) else { return .unknown }
    let state = metadata.value.state
    let order = state.order
    guard order <= FrameCache.largestFast, table.address(of: frame).rawValue == UInt64(address) else {
      return .unknown
    }
    let idle = cpu.perCPU.frames.value.fastIdleState.adding(order: order)
    let list = frames.fastList(order, cpu)
    guard state == idle.changing(from: .idle, to: .large), list.value.hasRoom else { return .unknown }
    // Cut to what a tag can be: the word is another's once somebody else has freed the block.
    let owner = Int(UInt8(truncatingIfNeeded: metadata.value.next))
    let charges = cpu.perCPU.charges[owner]
    guard charges.value.isUnlimited else { return .unknown }
    if let tag, charges.value.pass.load(ordering: .relaxed) != tag.rawValue { return .unknown }
    guard frames.push(frame, metadata, from: state, to: idle, onto: list) else { return .alreadyFree }
    charges.discharge(.objects, 1 &<< UInt64(truncatingIfNeeded: Int(table.pageSize.shift) &+ order))
    return .freed
  }
}
