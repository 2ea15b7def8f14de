import MachineSimulator
import Synchronization
import Testing

@testable import KernelMemory
@testable import TestSupport

@Suite struct TagUsageTests {
  private struct Text: TextSink {
    var bytes: [UInt8] = []
    mutating func write(_ byte: UInt8) { bytes.append(byte) }
    var string: String { String(decoding: bytes, as: UTF8.self) }
  }

  @Test func objectsAreasAndBytesAreCounted() throws {
    let test = try TestMachine()
    let tag = try test.manager.makeTag(named: "driver")
    let area = try test.manager.vmalloc(5000, areas(tag))
    let small = try (0..<3).map { _ in try test.manager.kmalloc(100, objects(tag)) }
    let block = try test.manager.kmalloc(20_000, objects(tag))
    var usage = test.manager.usage(of: tag)
    #expect(usage.liveAreas == 1 && usage.livePages == 2 && usage.liveObjects == 4)
    #expect(usage.liveBytes == 8192 + 3 * 112 + 32_768)
    #expect(usage.peakBytes == usage.liveBytes && usage.peakObjects == 4 && usage.peakAreas == 1)
    let peak = usage.peakBytes
    for pointer in small + [block] { try test.manager.kfree(pointer) }
    try test.manager.vfree(area)
    usage = test.manager.usage(of: tag)
    #expect(usage.liveAreas == 0 && usage.liveObjects == 0 && usage.liveBytes == 0)
    #expect(usage.peakBytes == peak && usage.peakObjects == 4 && usage.peakAreas == 1)
  }

  /// Random use on several CPUs, with frees on others: the peak is never above the true one, and below it by
  /// no more than is promised. Nobody asks before the end, since asking looks for a peak.
  @Test(arguments: RandomTests.seeds(6)) func thePeakIsWithinItsError(seed: UInt64) throws {
    let cpuCount = Int(seed % 3 + 1)
    let test = try TestMachine(mode: .warm, cpuCount: cpuCount)
    let tag = try test.manager.makeTag(named: "driver")
    var random = Randomness(seed: seed)
    var live: [(UnsafeMutableRawPointer, UInt64)] = []
    var (bytes, peak) = (UInt64(0), UInt64(0))
    for step in 0..<4_000 * RandomTests.factor {
      let isGrowing = step / 500 % 2 == 0
      try test.onCPU(Int(random.below(UInt64(cpuCount)))) {
        if live.isEmpty || random.below(10) < (isGrowing ? 7 : 3) {
          let isArea = random.oneIn(8)
          let size = Int(1 + random.below(isArea ? 60_000 : 4096))
          let pointer =
            isArea
            ? try test.manager.vmalloc(size, areas(tag)) : try test.manager.kmalloc(size, objects(tag))
          let charged =
            isArea ? UInt64(size + 4095) & ~4095 : UInt64(try #require(test.manager.ksize(of: pointer)))
          live.append((pointer, charged))
          bytes += charged
          peak = max(peak, bytes)
        } else {
          live.swapAt(Int(random.below(UInt64(live.count))), live.count - 1)
          let (pointer, charged) = live.removeLast()
          try test.manager.kvfree(pointer)
          bytes -= charged
        }
      }
    }
    for (pointer, _) in live { try test.manager.kvfree(pointer) }
    let found = test.manager.usage(of: tag)
    #expect(found.liveBytes == 0 && found.liveObjects == 0 && found.liveAreas == 0)
    #expect(found.peakBytes <= peak)
    #expect(found.peakBytes + UInt64(cpuCount) * Tags.largestAllowance >= peak)
    #expect(found.peakObjects > 0 && found.peakAreas > 0)
  }

  /// The usual pair of an area that is kept mapped, whatever its size, sums no words of other CPUs up: what
  /// those have come to hold meanwhile is not seen.
  @Test(arguments: [1, 16, 17, 64]) func aWarmPairLooksForNoPeak(pages: Int) throws {
    let test = try TestMachine(mode: .warm, cpuCount: 2)
    let manager = test.manager
    let tag = try manager.makeTag(named: "driver")
    for _ in 0..<2 { try manager.vfree(try manager.vmalloc(pages * 4096, areas(tag))) }
    var object: UnsafeMutableRawPointer?
    try test.onCPU(1) {
      // Looks for a peak, and has 64 KiB of allowance then.
      let small = try manager.kmalloc(64, objects(tag))
      object = try manager.kmalloc(32_768, objects(tag))
      try manager.kfree(small)
    }
    let peak = manager.tags.shared(of: tag).value.peakBytes.load(ordering: .relaxed)
    for _ in 0..<8 { try manager.vfree(try manager.vmalloc(pages * 4096, areas(tag))) }
    #expect(manager.tags.shared(of: tag).value.peakBytes.load(ordering: .relaxed) == peak)
    try manager.kfree(object)
  }

  @Test func growthIsListedByTag() throws {
    let test = try TestMachine()
    let one = try test.manager.makeTag(named: "one")
    let two = try test.manager.makeTag(named: "two")
    let old = try (0..<3).map { _ in try test.manager.kmalloc(64, objects(one)) }
    let gone = try test.manager.vmalloc(8192, areas(two))
    let before = test.manager.tagSnapshot
    var text = Text()
    test.manager.writeGrowth(since: before, to: &text)
    #expect(text.string == "")
    for pointer in old { try test.manager.kfree(pointer) }
    let young = try (0..<2).map { _ in try test.manager.vmalloc(40_960, areas(one)) }
    try test.manager.vfree(gone)
    let late = try test.manager.makeTag(named: "made later")
    let object = try test.manager.kmalloc(32, objects(late))
    test.manager.writeGrowth(since: before, to: &text)
    #expect(
      text.string == "+81728 one objects=-3 areas=+2\n+32 made_later objects=+1 areas=0\n")
    let after = test.manager.tagSnapshot
    var between: [TagGrowth] = []
    after.forEachGrowth(since: before) { between.append($0) }
    #expect(between.map(\.tag) == [one, late])
    #expect(between.map(\.bytes) == [81_728, 32])
    #expect(between.map(\.objects) == [-3, 1] && between.map(\.areas) == [2, 0])
    var sinceThen: [TagGrowth] = []
    test.manager.forEachGrowth(since: before) { sinceThen.append($0) }
    #expect(sinceThen == between)
    // Backwards, what shrank has grown.
    var backwards: [TagGrowth] = []
    before.forEachGrowth(since: after) { backwards.append($0) }
    #expect(backwards.map(\.tag) == [one, two])
    for pointer in young { try test.manager.vfree(pointer) }
    try test.manager.kfree(object)
  }

  /// The name that a tag has in reports.
  private func name(_ utf8: [UInt8]) throws -> [UInt8] {
    let test = try TestMachine(ram: [.small])
    let tag = try utf8.withUnsafeBufferPointer { try test.manager.makeTag(copying: $0) }
    var text = Text()
    test.manager.writeName(of: tag, to: &text)
    return text.bytes
  }

  @Test func bytesThatBreakAColumnBecomeUnderlines() throws {
    #expect(try name(Array("a b\tc\nd\u{7f}e\0f~é".utf8)) == Array("a_b_c_d_e_f~é".utf8))
    #expect(try name([]) == Array("-".utf8))
  }

  /// Characters of one to four bytes across the place of the cut.
  @Test(arguments: ["x", "é", "€", "😀"]) func theCutSplitsNoCharacter(character: String) throws {
    for lead in 40...48 {
      let whole = String(repeating: "a", count: lead) + character + "b"
      let found = try name(Array(whole.utf8))
      let text = try #require(String(validating: found, as: UTF8.self))
      #expect(whole.hasPrefix(text))
      #expect(found.count <= 47)
      #expect(found.count == whole.utf8.count || found.count + character.utf8.count > 47)
    }
  }

  @Test func whatIsNoUTF8IsCutAnywhere() throws {
    #expect(try name([UInt8](repeating: 0x80, count: 60)).count == 47)
  }
}
