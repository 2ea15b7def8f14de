import MachineSimulator
import Testing

@testable import KernelMemory

/// Random operations of kmalloc on one or more CPUs, against a dictionary of what is live: no two live
/// objects overlap, each keeps its contents, and each has its alignment.
struct SlabOracle {
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  struct Object {
    let byteCount: Int
    let value: UInt8
    let tag: KernelMemory.Tag
  }

  let test: TestMachine
  var random: Randomness
  var objects: [UInt: Object] = [:]
  /// Addresses in the order of the objects' making, for a choice that a seed repeats.
  var order: [UInt] = []
  let limit: Int
  let tags: [KernelMemory.Tag]
  private let framesAtFirst: UInt64

  init(seed: UInt64, limit: Int = 300, cpuCount: Int = 1, hardening: SlabHardening = .none) throws {
    test = try TestMachine(cpuCount: cpuCount, hardening: hardening)
    self.limit = limit
    random = Randomness(seed: seed)
    tags = [.untagged, try test.manager.makeTag(named: "one"), try test.manager.makeTag(named: "two")]
    framesAtFirst = test.framesInUse
  }

  mutating func run(steps: Int) throws {
    for step in 0..<steps {
      do {
        let cpu = Int(random.below(UInt64(test.manager.cpus.count)))
        try test.onCPU(cpu) { try self.step() }
        if let violation = test.simulated.takeViolation() { throw violation }
        if step % 128 == 0, let problem = test.manager.validate() { throw Failure(description: "\(problem)") }
      } catch {
        throw Failure(description: "step \(step): \(error)")
      }
    }
    try finish()
  }

  /// Frees everything: every frame is back.
  private mutating func finish() throws {
    while !order.isEmpty { try free() }
    test.expectValid()
    for tag in tags { #expect(test.manager.usage(of: tag).liveBytes == 0) }
    let counters = test.manager.counters
    #expect(counters[.objectsAllocated] == counters[.objectsFreed])
    test.drainSlabs()
    test.expectValid()
    let work = test.manager.counters
    #expect(work[.slabsMade] == work[.slabsReturned] && work[.slabsMade] > 0)
    #expect(test.framesInUse == framesAtFirst)
    var reports = 0
    try test.manager.forEachSlabReport { _ in reports += 1 }
    #expect(UInt64(reports) == min(32, work[.freesRefused]), "only refused frees are reported")
  }

  private mutating func step() throws {
    switch random.below(100) {
    case 0..<(objects.count >= limit ? 25 : 50): try allocate()
    case 0..<75: try free()
    case 75..<88: try reallocate()
    default: try freeBadly()
    }
  }
}

// MARK: - Operations

extension SlabOracle {
  /// Small sizes mostly; every class and every order comes up.
  private mutating func size() -> Int {
    switch random.below(20) {
    case 0..<16: Int(1 + random.below(1 << (3 + random.below(9))))
    case 16..<19: Int(1 + random.below(16_384))
    default: Int(1 + random.below(300_000))
    }
  }

  private mutating func options() -> KmallocOptions {
    var options = KmallocOptions()
    if random.oneIn(4) { options.alignment = 1 << random.below(13) }
    if random.oneIn(8) { options.zone = random.element(of: [.dma, .dma32]) }
    options.tag = random.element(of: tags)
    return options
  }

  private mutating func allocate() throws {
    let (byteCount, options) = (size(), options())
    let pointer = try test.manager.kmalloc(byteCount, options)
    try add(pointer, byteCount, options)
  }

  private mutating func add(
    _ pointer: UnsafeMutableRawPointer, _ byteCount: Int, _ options: KmallocOptions
  ) throws {
    let address = UInt(bitPattern: pointer)
    try expect(address % UInt(options.alignment) == 0, "\(byteCount) bytes are not aligned as asked")
    if byteCount & (byteCount - 1) == 0 && byteCount <= 4096 {
      try expect(address % UInt(byteCount) == 0, "\(byteCount) bytes are not naturally aligned")
    }
    let size = try #require(test.manager.ksize(of: pointer))
    try expect(size >= byteCount, "ksize is less than what was asked for")
    if options.zone == .dma { try expect(address - test.manager.slab.base < 16 << 20, "outside the zone") }
    let value = UInt8(truncatingIfNeeded: random.next())
    pointer.initializeMemory(as: UInt8.self, repeating: value, count: byteCount)
    let tag = KernelMemory.Tag(index: options.tag.index)
    try expect(
      objects.updateValue(Object(byteCount: byteCount, value: value, tag: tag), forKey: address) == nil,
      "an object was handed out twice")
    order.append(address)
  }

  private mutating func remove() throws -> (UInt, Object)? {
    guard !order.isEmpty else { return nil }
    let address = order.remove(at: Int(random.below(UInt64(order.count))))
    guard let object = objects.removeValue(forKey: address) else { return nil }
    try expect(holds(address, object.value, object.byteCount), "an object holds another's contents")
    return (address, object)
  }

  private func holds(_ address: UInt, _ value: UInt8, _ count: Int) -> Bool {
    let bytes = UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: address), count: count)
    return bytes.allSatisfy { $0 == value }
  }

  mutating func free() throws {
    guard let (address, _) = try remove() else { return }
    try test.manager.kfree(UnsafeMutableRawPointer(bitPattern: address))
  }

  private mutating func reallocate() throws {
    guard let (address, old) = try remove() else { return }
    let (byteCount, options) = (size(), options())
    let pointer = try test.manager.krealloc(UnsafeMutableRawPointer(bitPattern: address), byteCount, options)
    let kept = min(byteCount, old.byteCount)
    try expect(holds(UInt(bitPattern: pointer), old.value, kept), "krealloc has changed contents")
    try add(pointer, byteCount, options)
  }

  /// Inside an object, or an object that was freed just now.
  private mutating func freeBadly() throws {
    let before = test.manager.counters
    if random.oneIn(2), !order.isEmpty {
      let address = random.element(of: order)
      guard let object = objects[address], object.byteCount > 1 else { return }
      let inside = address + 1 + UInt(random.below(UInt64(object.byteCount - 1)))
      try expectRefusal(.interior, inside)
    } else {
      guard let (address, _) = try remove() else { return }
      try test.manager.kfree(UnsafeMutableRawPointer(bitPattern: address))
      let problem = refusal(address)
      // The slab may be gone, and its frame may be in any use; what is freed is never free again.
      try expect(
        problem == .alreadyFree || problem == .foreign, "a second free: \(String(describing: problem))")
      return
    }
    let work = test.manager.counters.since(before)
    try expect(work[.objectsFreed] == 0 && work[.freesRefused] == 1, "a refused free has changed counters")
  }

  private func refusal(_ address: UInt) -> BadFree? {
    do throws(MemoryError) {
      try test.manager.kfree(UnsafeMutableRawPointer(bitPattern: address))
      return nil
    } catch {
      guard case .badFree(let problem) = error else { return nil }
      return problem
    }
  }

  private func expectRefusal(_ problem: BadFree, _ address: UInt) throws {
    let found = refusal(address)
    try expect(found == problem, "refused as \(String(describing: found)), not as \(problem)")
  }

  private func expect(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    if !condition { throw Failure(description: message()) }
  }
}

extension TestMachine {
  /// As the simulated machine's, and passes on what `body` throws.
  func onCPU(_ cpu: Int, _ body: () throws -> Void) throws {
    var failure: (any Error)?
    simulated.onCPU(cpu) {
      do { try body() } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Has every CPU return its magazines, its blocks and the empty slabs, and the frames of those become free.
  func drainSlabs() {
    for cpu in 0..<manager.cpus.count { simulated.onCPU(cpu) { drainSlabsOfThisCPU() } }
    #expect(throws: Never.self) { try manager.flushRetired() }
  }

  func drainSlabsOfThisCPU() {
    manager.cpus.with { cpu in
      _ = manager.slab.drain(budget: .max, cpu)
      manager.frames.drainCaches(cpu)
    }
  }
}
