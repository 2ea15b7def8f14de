import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct SlabHardeningTests {
  private static let secret: UInt64 = 0x9e37_79b9_7f4a_7c15
  private static let checked = SlabHardening.checked(secret: secret)
  private static let hardened = SlabHardening.hardened(secret: secret)

  private func reports(_ test: TestMachine) throws -> [SlabReport] {
    var reports: [SlabReport] = []
    try test.manager.forEachSlabReport { reports.append($0) }
    return reports
  }

  @Test(arguments: [1, 8, 60, 64, 100, 1_000, 4_000])
  func anOverflowIsReportedAndTheObjectIsNotReused(size: Int) throws {
    let test = try TestMachine(hardening: Self.checked)
    var options = KmallocOptions()
    options.tag = try test.manager.makeTag(named: "driver")
    for distance in [0, 7] {
      let pointer = try test.manager.kmalloc(size, options)
      pointer.initializeMemory(as: UInt8.self, repeating: 0, count: size)
      pointer.storeBytes(of: 1, toByteOffset: size + distance, as: UInt8.self)
      try test.manager.kfree(pointer)
      let last = try #require(reports(test).last)
      #expect(last.kind == .overflow && last.tag == options.tag)
      #expect(last.address == VirtualAddress(pointer))
      for _ in 0..<200 { #expect(try test.manager.kmalloc(size) != pointer) }
    }
    #expect(test.manager.counters[.slabViolations] == 2)
    test.expectValid()
  }

  @Test func aWriteAfterFreeIsFoundBeforeTheObjectIsReused() throws {
    let test = try TestMachine(hardening: Self.checked)
    var options = KmallocOptions()
    options.tag = try test.manager.makeTag(named: "driver")
    let pointer = try test.manager.kmalloc(100, options)
    try test.manager.kfree(pointer)
    pointer.storeBytes(of: 0, toByteOffset: 50, as: UInt8.self)
    #expect(try reports(test).isEmpty)
    #expect(try test.manager.kmalloc(100) != pointer)
    #expect(
      try reports(test) == [
        SlabReport(
          kind: .writeAfterFree, cache: SizeClass.index(of: 108), tag: options.tag,
          address: VirtualAddress(pointer))
      ])
    test.expectValid()
  }

  @Test(arguments: [hardened, checked]) func aForgedLinkIsNotFollowed(hardening: SlabHardening) throws {
    let test = try TestMachine(hardening: hardening)
    let victim = try test.manager.kmalloc(48)
    let pointer = try test.manager.kmalloc(48)
    try test.manager.kfree(pointer)
    test.drainSlabs()
    // What an attacker writes who does not know the secret: the address of a live object.
    pointer.storeBytes(of: UInt(bitPattern: victim), as: UInt.self)
    var handedOut = Set<UnsafeMutableRawPointer>()
    for _ in 0..<300 { handedOut.insert(try test.manager.kmalloc(48)) }
    #expect(handedOut.count == 300 && !handedOut.contains(victim) && !handedOut.contains(pointer))
    #expect(try reports(test).map(\.kind) == [.corruptLink])
    test.expectValid()
  }

  /// Even with the secret, only a free object of the cache can be linked to.
  @Test func aLinkToALiveObjectIsNotFollowed() throws {
    let test = try TestMachine(hardening: Self.hardened)
    let victim = try test.manager.kmalloc(48)
    let pointer = try test.manager.kmalloc(48)
    try test.manager.kfree(pointer)
    test.drainSlabs()
    let cache = test.manager.slab.caches[SizeClass.index(of: 48)]
    test.manager.slab.setNext(UInt(bitPattern: victim), after: UInt(bitPattern: pointer), cache)
    for _ in 0..<300 { #expect(try test.manager.kmalloc(48) != victim) }
    #expect(try reports(test).map(\.kind) == [.corruptLink])
  }

  /// What is written to an object that this CPU has freed leads nowhere: its magazine does not lie in
  /// objects.
  @Test(arguments: [SlabHardening.none, hardened]) func aWriteAfterFreeChangesNoMagazine(
    hardening: SlabHardening
  ) throws {
    let test = try TestMachine(hardening: hardening)
    let victim = try test.manager.kmalloc(48)
    let pointer = try test.manager.kmalloc(48)
    try test.manager.kfree(pointer)
    pointer.storeBytes(of: UInt(bitPattern: victim), as: UInt.self)
    #expect(try test.manager.kmalloc(48) == pointer)
    #expect(try test.manager.kmalloc(48) != victim)
    #expect(try reports(test).isEmpty)
    try test.manager.kfree(pointer)
    test.expectValid()
  }

  /// A link that is damaged in the middle of a slab's chain: what is before it is handed out, what hangs on
  /// it is abandoned, and so is the object that has it.
  @Test(arguments: [66, 75, 82, 0]) func aDamagedChainIsCut(index: UInt) throws {
    let test = try TestMachine(hardening: Self.hardened)
    // The magazine has the objects 1 to 64; 65 to 82 and 0 are left in the slab.
    let keeper = try test.manager.kmalloc(48)
    let cache = test.manager.slab.caches[SizeClass.index(of: 48)]
    #expect(cache.value.layout.capacity == 83)
    let slab = UInt(bitPattern: keeper) & ~cache.value.layout.mask
    let damaged = try #require(test.pointer(UInt64(slab + index * cache.value.layout.stride)))
    damaged.storeBytes(of: 1, as: UInt.self)
    var handedOut = Set([keeper])
    for _ in 0..<200 { handedOut.insert(try test.manager.kmalloc(48)) }
    #expect(handedOut.count == 201 && !handedOut.contains(damaged))
    #expect(try reports(test).map(\.kind) == [.corruptLink])
    let whole = handedOut.count { UInt(bitPattern: $0) & ~cache.value.layout.mask == slab }
    #expect(whole == (index == 0 ? 82 : Int(index) - 1))
    test.expectValid()
    for pointer in handedOut { try test.manager.kfree(pointer) }
    test.drainSlabs()
    test.expectValid()
  }

  @Test func linksAreHidden() throws {
    let test = try TestMachine(hardening: Self.hardened)
    let (first, second) = (try test.manager.kmalloc(64), try test.manager.kmalloc(64))
    // It holds the slab.
    _ = try test.manager.kmalloc(64)
    try test.manager.kfree(first)
    try test.manager.kfree(second)
    test.drainSlabs()
    #expect(first.load(as: UInt.self) != UInt(bitPattern: second))
    let cache = test.manager.slab.caches[SizeClass.index(of: 64)]
    #expect(test.manager.slab.next(after: UInt(bitPattern: first), cache) == UInt(bitPattern: second))
  }

  @Test func reportsAreWritten() throws {
    let test = try TestMachine(hardening: Self.checked)
    var options = KmallocOptions()
    options.tag = try test.manager.makeTag(named: "driver")
    let pointer = try test.manager.kmalloc(100, options)
    try test.manager.kfree(pointer)
    #expect(throws: MemoryError.badFree(.alreadyFree)) { try test.manager.kfree(pointer) }
    for _ in 0..<40 {
      #expect(throws: MemoryError.badFree(.foreign)) { try test.manager.kfree(test.pointer(0x1000)) }
    }
    #expect(try reports(test).count == 32)
    let second = try test.manager.kmalloc(100, options)
    #expect(throws: MemoryError.badFree(.interior)) { try test.manager.kfree(second + 8) }
    var text = Text()
    try test.manager.writeSlabReports(to: &text)
    let address = String(UInt(bitPattern: second) + 8, radix: 16)
    let padded = String(repeating: "0", count: 16 - address.count) + address
    #expect(text.lines.count == 32)
    #expect(text.lines.last == "free inside an object 0x\(padded) cache kmalloc-112 tag driver")
    #expect(text.lines.first == "free of foreign memory 0x0000000000001000 cache - tag -")
  }
}

private struct Text: TextSink {
  var bytes: [UInt8] = []
  mutating func write(_ byte: UInt8) { bytes.append(byte) }
  var lines: [String] { String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init) }
}
