import Testing

/// The emulator walks the same page tables with its own code, and must see what the kernel sees.
@Suite(.boots(.x86_64), .serialized)
struct MappingTests {
  /// With 1 GiB leaves and without, and with RAM on both sides of the hole below 4 GiB.
  @Test(arguments: ["max", "max,-pdpe1gb"])
  func agreeWithTheEmulatorsView(_ processor: String) throws {
    let boot = try Self.hold(processor)
    let listed = ListedLeaf.all(in: boot.serial)
    #expect(listed.count > 3_000)
    let lines = boot.monitor.split(whereSeparator: \.isNewline)

    let ours = Set(listed.map(\.leaf))
    let theirs = Set(lines.compactMap(Leaf.init(monitorLine:)))
    #expect(ours.subtracting(theirs).isEmpty)
    #expect(theirs.subtracting(ours).isEmpty)
    #expect(ours.count == listed.count, "a leaf is listed twice")

    #expect(Extent.joining(listed) == lines.compactMap(Extent.init(monitorLine:)))
  }

  @Test
  func nothingIsWritableAndExecutable() throws {
    let listed = ListedLeaf.all(in: try Self.hold("max").serial)
    #expect(!listed.isEmpty)
    #expect(!listed.contains { $0.leaf.isWritable && $0.leaf.isExecutable })
    // Code is reached by one address alone, and so through no writable one.
    let code = listed.filter(\.leaf.isExecutable)
    let reachedTwice = code.filter { part in listed.filter { $0.overlaps(part) }.count > 1 }
    #expect(!code.isEmpty)
    #expect(reachedTwice.isEmpty)
  }

  @Test
  func lowestAddressesHoldTheImageAloneWithoutItsStackGuards() throws {
    let low = ListedLeaf.all(in: try Self.hold("max").serial).filter { $0.leaf.address < 0x2000_0000_0000 }
    #expect(low.first?.leaf.address == 1 << 20)
    #expect(low.allSatisfy { $0.leaf.address == $0.leaf.frame })
    let gaps = zip(low, low.dropFirst()).map { $1.leaf.address - ($0.leaf.address + $0.pages * 4096) }
    #expect(gaps.filter { $0 != 0 } == [32768, 32768, 32768, 32768])
  }

  /// The object window is what the linear map is, at other addresses: each page of RAM but the image's,
  /// writable and not executable.
  @Test
  func objectWindowHasThePagesOfTheLinearMap() throws {
    let listed = ListedLeaf.all(in: try Self.hold("max").serial)
    let window = listed.filter { 0x4000_0000_0000..<0x8000_0000_0000 ~= $0.leaf.address }
    let linear = listed.filter { 0xffff_8880_0000_0000..<0xffff_c900_0000_0000 ~= $0.leaf.address }
    #expect(!window.isEmpty)
    #expect(window.allSatisfy { $0.leaf.address == 0x4000_0000_0000 + $0.leaf.frame })
    #expect(window.allSatisfy { $0.leaf.isWritable && !$0.leaf.isExecutable })
    #expect(window.map(\.leaf.frame) == linear.map(\.leaf.frame))
    #expect(window.map(\.pages) == linear.map(\.pages))
  }

  private static func hold(_ processor: String) throws -> Boot {
    try Boot.hold(
      Setup(options: "hold", mebibytes: 5120, processor: processor), asking: ["info tlb", "info mem"])
  }
}
