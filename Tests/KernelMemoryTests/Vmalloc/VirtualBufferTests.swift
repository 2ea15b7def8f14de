import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct VirtualBufferTests {
  private let test: TestMachine
  private let before: Snapshot

  init() throws {
    test = try TestMachine(ram: [.small])
    before = Snapshot(of: test.manager)
  }

  private func expectFreed(_ address: VirtualAddress, _ location: SourceLocation = #_sourceLocation) {
    Snapshot(of: test.manager).expectSameMemory(as: before, location)
    #expect(test.fault(.read, at: address)?.cause == .notPresent, sourceLocation: location)
    #expect(test.manager.counters[.areasFreed] == 1, sourceLocation: location)
    test.expectValid(location)
  }

  @Test func freesItselfWhenItsOwnerGoes() throws {
    var address = VirtualAddress(0)
    do {
      let buffer = try VirtualBuffer(byteCount: 10_000, from: test.manager)
      address = buffer.address
      #expect(buffer.byteCount == 10_000)
      try test.simulated.store(UInt64(7), at: address)
      #expect(test.manager.counters[.areasFreed] == 0)
    }
    expectFreed(address)
    #expect(test.manager.counters[.freesRefused] == 0)
  }

  @Test func freesItselfWhenAnErrorIsThrown() throws {
    struct Failure: Error {}
    var address = VirtualAddress(0)
    #expect(throws: Failure.self) {
      let buffer = try VirtualBuffer(byteCount: 1, from: test.manager)
      address = buffer.address
      throw Failure()
    }
    expectFreed(address)
  }

  @Test func isFreedNow() throws {
    let buffer = try VirtualBuffer(byteCount: 5000, from: test.manager)
    let address = buffer.address
    try buffer.vfree()
    expectFreed(address)
    #expect(test.manager.counters[.freesRefused] == 0)
  }

  @Test func canBeLeaked() throws {
    let buffer = try VirtualBuffer(byteCount: 5000, from: test.manager)
    let address = buffer.address
    let pointer = buffer.leak()
    #expect(VirtualAddress(pointer) == address)
    #expect(test.manager.area(containing: address) != nil)
    #expect(test.fault(.write, at: address) == nil)
    try test.manager.vfree(pointer)
    expectFreed(address)
  }

  @Test func afterAFreeByAddressItsOwnIsRefusedAndCounted() throws {
    var address = VirtualAddress(0)
    do {
      let buffer = try VirtualBuffer(byteCount: 1, from: test.manager)
      address = buffer.address
      try test.manager.vfree(address.pointer)
    }
    expectFreed(address)
    #expect(test.manager.counters[.freesRefused] == 1)
    let buffer = try VirtualBuffer(byteCount: 1, from: test.manager)
    try test.manager.vfree(buffer.address.pointer)
    do {
      try buffer.vfree()
      Issue.record("the second free succeeded")
    } catch {
      #expect(error == .badFree(.alreadyFree))
    }
    #expect(test.manager.counters[.freesRefused] == 2)
  }

  /// In warm mode the place is handed out again at once.
  @Test(arguments: [FreeMode.warm, .strict]) func neverFreesAStrangersArea(mode: FreeMode) throws {
    let test = try TestMachine(ram: [.small], mode: mode)
    var stranger: UnsafeMutableRawPointer?
    do {
      let buffer = try VirtualBuffer(byteCount: 4096, from: test.manager)
      try test.manager.vfree(buffer.address.pointer)
      stranger = try test.manager.vmalloc(4096)
      let address = buffer.address
      #expect(stranger.map { VirtualAddress($0) } == address)
    }
    let address = VirtualAddress(try #require(stranger))
    #expect(test.manager.area(containing: address) != nil)
    #expect(test.manager.counters[.freesRefused] == 1)
    let zeroed = try VirtualBuffer(zeroedByteCount: 8192, from: test.manager)
    try test.manager.vfree(zeroed.address.pointer)
    let second = try test.manager.vmalloc(8192)
    do {
      try zeroed.vfree()
      Issue.record("a stranger's area was freed")
    } catch {
      #expect(error == .badFree(.alreadyFree))
    }
    #expect(test.manager.area(containing: VirtualAddress(second)) != nil)
    #expect(test.manager.counters[.freesRefused] == 2)
    try test.manager.vfree(second)
    try test.manager.vfree(stranger)
    #expect(test.manager.counters[.areasFreed] == 4)
    test.expectValid()
  }

  @Test func zeroedIsZero() throws {
    let dirty = try test.manager.vmalloc(1500 * 4096)
    try test.simulated.store([UInt8](repeating: 0xff, count: 1500 * 4096), at: VirtualAddress(dirty))
    try test.manager.vfree(dirty)
    let buffer = try VirtualBuffer(zeroedByteCount: 5000, from: test.manager)
    let isZero = try test.simulated.load(byteCount: 8192, at: buffer.address).allSatisfy { $0 == 0 }
    #expect(isZero)
    #expect(buffer.byteCount == 5000)
  }

  @Test func optionsAndErrorsAreVmallocs() throws {
    var options = VmallocOptions()
    options.tag = try test.manager.makeTag(named: "buffer")
    options.protection = .readOnly
    do {
      let buffer = try VirtualBuffer(byteCount: 4096, from: test.manager, options)
      #expect(test.manager.usage(of: options.tag).livePages == 1)
      #expect(test.fault(.write, at: buffer.address)?.cause == .writeToReadOnly)
    }
    #expect(test.manager.usage(of: options.tag).livePages == 0)
    test.expectRefused(.sizeIsZero) { _ = try VirtualBuffer(byteCount: 0, from: test.manager) }
    test.expectRefused(.sizeOverflow) { _ = try VirtualBuffer(zeroedByteCount: -1, from: test.manager) }
  }

  /// Where an NMI that has interrupted the package drops a buffer, its memory is the next purge's.
  @Test(arguments: [FreeMode.lazy, .warm, .strict], [false, true])
  func whatAnNMIGivesUpIsFreedLater(mode: FreeMode, explicitly: Bool) throws {
    let test = try TestMachine(ram: [.small], mode: mode)
    let probe = FlushProbe(test)
    let tag = try test.manager.makeTag(named: "buffers")
    try test.manager.setQuota(1 << 20, for: tag)
    let interrupted = try test.manager.vmalloc(4096)
    var addresses: [VirtualAddress] = []
    let buffers = Buffers()
    probe.atFlush = {
      while let buffer = buffers.take() {
        addresses.append(buffer.address)
        guard explicitly else { continue }
        do { try buffer.vfree() } catch { Issue.record(error) }
      }
      return true
    }
    for pages in [1, 3, 200] {
      buffers.put(try VirtualBuffer(byteCount: pages * 4096, from: test.manager, areas(tag)))
    }
    let before = test.manager.counters
    try test.manager.vfree(interrupted)
    // The interrupted area is kept mapped at first.
    for _ in 0..<4 where addresses.isEmpty { _ = test.manager.purge(budget: 10_000) }
    try #require(addresses.count == 3)
    #expect(test.manager.counters.since(before)[.freesDeferred] == 3)
    // Nobody's any more, and not freed yet.
    for address in addresses {
      #expect(test.manager.area(containing: address) == nil)
      #expect(throws: MemoryError.badFree(.alreadyFree)) { try test.manager.vfree(address.pointer) }
    }
    #expect(test.manager.usage(of: tag).livePages == 204)
    test.expectValid()
    try test.manager.flushRetired()
    #expect(test.manager.usage(of: tag).livePages == 0)
    #expect(test.manager.counters.since(before)[.areasFreed] == 4)
    for address in addresses { #expect(test.fault(.read, at: address)?.cause == .notPresent) }
    test.expectValid()
    withExtendedLifetime(probe) {}
  }

  /// An allocation that would fail frees them first.
  @Test func whatAnNMIDropsServesAnAllocation() throws {
    let test = try TestMachine(ram: [.small], mode: .lazy)
    let probe = FlushProbe(test)
    let interrupted = try test.manager.vmalloc(4096)
    let buffers = Buffers()
    buffers.put(try VirtualBuffer(byteCount: 500 * 4096, from: test.manager))
    probe.atFlush = {
      _ = buffers.take()
      return true
    }
    try test.manager.vfree(interrupted)
    _ = test.manager.purge(budget: 10_000)
    let left = Int(test.framesLeft)
    try test.manager.vfree(try test.manager.vmalloc((left + 300) * 4096))
    test.expectValid()
    withExtendedLifetime(probe) {}
  }

  /// The spans are of exactly the bytes that were asked for. Here their address is no memory of the
  /// process, so they are measured, not read.
  @Test func spansHaveTheBytesThatWereAskedFor() throws {
    var buffer = try VirtualBuffer(byteCount: 5001, from: test.manager)
    let address = buffer.address
    #expect(buffer.bytes.byteCount == 5001)
    #expect(buffer.bytes.withUnsafeBytes { $0.baseAddress == UnsafeRawPointer(address.pointer) })
    var bytes = buffer.mutableBytes
    #expect(bytes.byteCount == 5001)
    #expect(bytes.withUnsafeMutableBytes { $0.baseAddress == address.pointer })
  }
}

/// Buffers in no order: what cannot be copied is in no array.
private final class Buffers {
  private struct Node: ~Copyable {
    let buffer: VirtualBuffer
  }

  private var nodes: [UnsafeMutablePointer<Node>] = []
  var isEmpty: Bool { nodes.isEmpty }

  func put(_ buffer: consuming VirtualBuffer) {
    let place = UnsafeMutablePointer<Node>.allocate(capacity: 1)
    place.initialize(to: Node(buffer: buffer))
    nodes.append(place)
  }

  func take() -> VirtualBuffer? {
    guard let place = nodes.popLast() else { return nil }
    defer { place.deallocate() }
    return place.move().buffer
  }
}
