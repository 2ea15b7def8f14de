import KernelMemory
import MachineSimulator

/// A small simulated machine, and what is live on it.
struct FuzzMachine {
  /// What an allocator has handed out.
  struct Block {
    let address: UInt
    let byteCount: Int
    let fill: UInt8
    let tag: Tag
  }

  /// Why an input has failed: a bug of the manager.
  struct Failure: Error {
    let reason: String
  }

  let simulated: SimulatedMachine
  let manager: MemoryManager
  let tags: [Tag]
  let cache: SlabCache
  var blocks: [Block] = []
  /// Addresses that were freed, to be freed again.
  var freed: [UInt] = []
  private var lastFill: UInt8 = 0

  /// The first byte chooses the mode and the hardening.
  init(_ choice: UInt8) throws {
    simulated = try SimulatedMachine(ram: [RAMRegion(PhysicalAddress(0), byteCount: 4 << 20)])
    let bootstrap = try Bootstrap(
      memoryMap: simulated.memoryMap, window: simulated.linearMap, linearMap: simulated.linearMap,
      format: .x86_64(hasGigabyteLeaves: true))
    try simulated.loadRoot(bootstrap.root)
    let modes: [FreeMode] = [.strict, .lazy, .warm]
    let hardenings: [SlabHardening] = [.none, .hardened(secret: 0x5eed), .checked(secret: 0x5eed)]
    let range = PageRange(from: PageNumber(0xf_fffc_9000_0000), upTo: PageNumber(0xf_fffc_9010_0000))
    manager = try bootstrap.start(
      on: simulated.machine, vmallocRange: range, mode: modes[Int(choice) % 3],
      hardening: hardenings[Int(choice) / 3 % 3])
    tags = [.untagged, try manager.makeTag(named: "one"), try manager.makeTag(named: "two")]
    cache = try manager.makeCache(named: "things", objectSize: 72, tag: tags[2])
  }

  func expect(_ condition: Bool, _ reason: @autoclosure () -> String) throws {
    if !condition { throw Failure(reason: reason()) }
  }

  func validate() throws {
    if let problem = manager.validate() { throw Failure(reason: "\(problem)") }
  }

  static func pointer(_ address: UInt) -> UnsafeMutableRawPointer? {
    UnsafeMutableRawPointer(bitPattern: address)
  }
}

// MARK: - Contents

extension FuzzMachine {
  /// Notes a block, and fills it; it must overlap no other.
  mutating func add(_ pointer: UnsafeMutableRawPointer, _ byteCount: Int, _ tag: Tag) throws {
    let address = UInt(bitPattern: pointer)
    try expect(byteCount > 0, "\(byteCount) bytes were allocated")
    for other in blocks {
      let isApart =
        address + UInt(byteCount) <= other.address || other.address + UInt(other.byteCount) <= address
      try expect(isApart, "two live blocks overlap")
    }
    lastFill &+= 1
    let block = Block(address: address, byteCount: byteCount, fill: lastFill, tag: tag)
    for (place, _) in try probes(block) { try store(block.fill, at: place) }
    blocks.append(block)
  }

  /// Takes a block out, which must hold what it was filled with.
  mutating func take(_ index: Int) throws -> Block {
    let block = blocks.remove(at: index)
    try check(block, upTo: block.byteCount)
    return block
  }

  /// Expects a block's first bytes to be what they were.
  func check(_ block: Block, upTo count: Int, at address: UInt? = nil) throws {
    for (place, offset) in try probes(block, at: address) where offset < count {
      try expect(try load(at: place) == block.fill, "a block holds another's contents")
    }
  }

  /// The first byte of a block, its last, and one in each page.
  private func probes(_ block: Block, at address: UInt? = nil) throws -> [(UInt, Int)] {
    let offsets = Array(stride(from: 0, to: block.byteCount, by: 4096)) + [block.byteCount - 1]
    return offsets.map { ((address ?? block.address) + UInt($0), $0) }
  }

  private func load(at address: UInt) throws -> UInt8 {
    guard manager.side(of: address) == .virtual else {
      return Self.pointer(address)?.load(as: UInt8.self) ?? 0
    }
    return try simulated.load(UInt8.self, at: VirtualAddress(UInt64(address)))
  }

  private func store(_ byte: UInt8, at address: UInt) throws {
    guard manager.side(of: address) == .virtual else {
      Self.pointer(address)?.storeBytes(of: byte, as: UInt8.self)
      return
    }
    try simulated.store(byte, at: VirtualAddress(UInt64(address)))
  }
}

extension MemoryManager {
  /// Interior addresses of both sides included.
  fileprivate func side(of address: UInt) -> MemorySide {
    area(containing: VirtualAddress(UInt64(address))) == nil ? .linear : .virtual
  }
}
