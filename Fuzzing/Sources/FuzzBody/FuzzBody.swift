import KernelMemory
import MachineSimulator

/// Runs the operations that an input names on a machine of its own: allocations of every kind with good and
/// bad arguments, frees that are right and wrong, mappings, purges, quotas. After each, every room is
/// validated; at the end everything is freed, and nothing may be left.
/// - Returns: what is wrong; nil where nothing is.
public func fuzz(_ bytes: [UInt8]) -> String? {
  var input = Input(bytes)
  var step = 0
  do {
    var machine = try FuzzMachine(input.byte())
    while !input.isAtEnd && step < 256 {
      try machine.operate(&input)
      try machine.validate()
      step += 1
    }
    try machine.finish()
    return nil
  } catch let failure as FuzzMachine.Failure {
    return "step \(step): \(failure.reason)"
  } catch {
    return "step \(step): \(error)"
  }
}

extension FuzzMachine {
  mutating func operate(_ input: inout Input) throws {
    switch input.byte() % 16 {
    case 0, 1:
      try allocate(&input) { (manager, size, options) throws(MemoryError) in
        try manager.kmalloc(size, options.linear)
      }
    case 2:
      try allocate(&input) { (manager, size, options) throws(MemoryError) in
        try manager.kzalloc(size, options.linear)
      }
    case 3, 4:
      try allocate(&input) { (manager, size, options) throws(MemoryError) in
        try manager.vmalloc(size, options.virtual)
      }
    case 5:
      try allocate(&input) { (manager, size, options) throws(MemoryError) in
        try manager.kvmalloc(size, options.policy)
      }
    case 6: try allocateFromCache()
    case 7, 8, 9: try free(&input)
    case 10: try reallocate(&input)
    case 11: try freeBadly(&input)
    case 12: try freeAgain(&input)
    case 13: try map(&input)
    case 14: try setQuota(&input)
    default: try giveBack(&input)
    }
  }

  mutating func finish() throws {
    while !blocks.isEmpty { try manager.kvfree(Self.pointer(try take(blocks.count - 1).address)) }
    for tag in tags {
      let usage = manager.usage(of: tag)
      try expect(usage.liveBytes == 0 && usage.liveObjects == 0 && usage.liveAreas == 0, "a charge is left")
    }
    try manager.destroy(cache)
    try manager.flushRetired()
    try validate()
    let counters = manager.counters
    try expect(counters[.areasAllocated] == counters[.areasFreed], "an area is left")
    try expect(counters[.slabsMade] == counters[.slabsReturned], "a slab is left")
  }
}

// MARK: - Allocating

/// What is asked for besides the size, for either side.
struct Options {
  var linear = KmallocOptions()
  var virtual = VmallocOptions()
  var policy = KvmallocPolicy()

  init(_ input: inout Input, _ tags: [Tag]) {
    let flags = input.byte()
    let tag = tags[Int(flags & 0x3f) % tags.count]
    (linear.tag, virtual.tag, policy.tag) = (tag, tag, tag)
    if flags & 0x40 != 0 {
      let alignment = input.byte()
      let bytes = alignment & 0x80 == 0 ? UInt64(1) << UInt64(alignment % 64) : UInt64(alignment)
      (linear.alignment, virtual.alignment, policy.alignment) = (bytes, bytes, bytes)
    }
    guard flags & 0x80 != 0 else { return }
    let more = input.byte()
    linear.zone = more & 1 == 0 ? .dma : .normal
    virtual.zone = linear.zone
    virtual.guardPages = UInt16(more >> 1 & 7)
    policy.mustBeContiguous = more & 0x10 != 0
    policy.threshold = Int(more >> 5) << 12
  }
}

extension FuzzMachine {
  /// What `body` returns; nil where it is refused, and then nothing may be charged for it.
  private func attempt<Value>(
    _ tag: Tag, _ body: () throws(MemoryError) -> Value
  ) throws -> Value? {
    let before = manager.usage(of: tag)
    let error: MemoryError
    do throws(MemoryError) { return try body() } catch let refusal { error = refusal }
    try expect(manager.usage(of: tag) == before, "what is refused is charged: \(error)")
    return nil
  }

  private mutating func allocate(
    _ input: inout Input,
    _ body: (MemoryManager, Int, Options) throws(MemoryError) -> UnsafeMutableRawPointer
  ) throws {
    let options = Options(&input, tags)
    let size = input.size()
    let found = try attempt(options.linear.tag) { () throws(MemoryError) in try body(manager, size, options) }
    guard let found else { return }
    try expect(UInt64(UInt(bitPattern: found)) % options.linear.alignment == 0, "not aligned as asked")
    try add(found, size, options.linear.tag)
    try expectWithinQuota()
  }

  private mutating func allocateFromCache() throws {
    if let found = try attempt(tags[2], { () throws(MemoryError) in try manager.allocate(from: cache) }) {
      try add(found, 72, tags[2])
    }
  }

  private mutating func reallocate(_ input: inout Input) throws {
    let options = Options(&input, tags)
    guard !blocks.isEmpty else { return }
    let old = try take(input.below(blocks.count))
    let size = input.size()
    let pointer = Self.pointer(old.address)
    let isLinear = pointer.flatMap { manager.side(of: $0) } == .linear && input.byte() & 1 == 0
    let found = try attempt(options.linear.tag) { () throws(MemoryError) in
      isLinear
        ? try manager.krealloc(pointer, size, options.linear)
        : try manager.kvrealloc(pointer, size, options.policy)
    }
    guard let found else {
      try check(old, upTo: old.byteCount)
      blocks.append(old)
      return
    }
    try check(old, upTo: min(size, old.byteCount), at: UInt(bitPattern: found))
    if UInt(bitPattern: found) != old.address { freed.append(old.address) }
    try add(found, size, options.linear.tag)
  }
}

// MARK: - Freeing

extension FuzzMachine {
  private mutating func free(_ input: inout Input) throws {
    guard !blocks.isEmpty else { return }
    let block = try take(input.below(blocks.count))
    let pointer = Self.pointer(block.address)
    switch pointer.flatMap({ manager.side(of: $0) }) {
    case .virtual: try manager.vfree(pointer)
    case .linear: try manager.kfree(pointer)
    case nil: throw Failure(reason: "a live block is on no side")
    }
    freed.append(block.address)
    if freed.count > 64 { freed.removeFirst() }
  }

  /// Addresses of every sort that are not the first of a live block.
  private mutating func freeBadly(_ input: inout Input) throws {
    let kind = input.byte()
    let near = blocks.isEmpty ? 0 : blocks[input.below(blocks.count)].address
    let address: UInt =
      switch kind & 3 {
      case 0: near &+ UInt(1 + input.below(9_000))
      case 1: near &- UInt(input.word())
      case 2: UInt(simulated.linearMap.base.rawValue) &+ UInt(input.word()) << UInt(kind & 4 == 0 ? 7 : 12)
      default: UInt(input.word()) << UInt(kind >> 2)
      }
    try expectRefused(address, kind)
  }

  private mutating func freeAgain(_ input: inout Input) throws {
    guard !freed.isEmpty else { return }
    try expectRefused(freed[input.below(freed.count)], input.byte())
  }

  private func expectRefused(_ address: UInt, _ kind: UInt8) throws {
    // Handed out again, it is somebody's; nil is ignored.
    if address == 0 || blocks.contains(where: { $0.address == address }) { return }
    let before = tags.map { manager.usage(of: $0) }
    do throws(MemoryError) {
      switch kind % 3 {
      case 0: try manager.vfree(Self.pointer(address))
      case 1: try manager.kfree(Self.pointer(address))
      default: try manager.kvfree(Self.pointer(address))
      }
    } catch {
      try expect(tags.map { manager.usage(of: $0) } == before, "a refused free is uncharged")
      return
    }
    throw Failure(reason: "a free of 0x\(String(address, radix: 16)) was not refused")
  }
}

// MARK: - The rest

extension FuzzMachine {
  /// Mappings by hand near the lower half's start, around borders of tables, with frames that are nobody's.
  private func map(_ input: inout Input) throws {
    let kind = input.byte()
    let first = UInt64(1 << 30) + (UInt64(input.word()) << UInt64((kind >> 6) * 4))
    let count = UInt64(input.below(1_200)) << (kind & 4 == 0 ? 0 : 9)
    let pages = PageRange(from: PageNumber(first), upTo: PageNumber(first + count))
    do throws(MemoryError) {
      if kind & 1 == 0 { return try manager.unmap(pages) }
      let protections: [Protection] = [.readOnly, .readWrite]
      let attributes = MappingAttributes(protections[Int(kind >> 1 & 1)])
      try manager.map(pages, to: FrameNumber(UInt64(input.word()) << UInt64(kind >> 3 & 7)), attributes)
    } catch {
      return
    }
    let leaf = manager.mapping(at: VirtualAddress(first << 12))
    try expect(leaf != nil, "what was mapped is not")
  }

  private func setQuota(_ input: inout Input) throws {
    let kind = input.byte()
    let bytes = UInt64(input.word()) << 5
    try manager.setQuota(kind & 3 == 0 ? nil : bytes, for: tags[Int(kind >> 2) % tags.count])
  }

  /// After an allocation that was not refused.
  private func expectWithinQuota() throws {
    guard let tag = blocks.last?.tag, let quota = manager.quota(of: tag) else { return }
    try expect(manager.usage(of: tag).liveBytes <= quota, "a quota is passed")
  }

  private func giveBack(_ input: inout Input) throws {
    let budget = Int(input.byte())
    if budget & 1 == 0 { manager.purge(budget: budget) } else { try manager.flushRetired() }
  }
}
