import LoaderText
import Testing

@testable import DeviceTree
@testable import KernelMemory

/// Text that an error writes of itself.
struct Sentence: TextSink {
  var bytes: [UInt8] = []
  mutating func write(_ byte: UInt8) { bytes.append(byte) }

  init(_ error: DeviceTreeError) { error.write(to: &self) }

  var text: String { String(decoding: bytes, as: UTF8.self) }
}

/// Rows of a memory map, in memory that is never given back: a map may outlive what made it.
struct Rows {
  private let storage = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
  func map(rows: Int = 100) -> MemoryMap {
    MemoryMap(
      in: UnsafeMutableRawBufferPointer(
        rebasing: storage[..<min(storage.count, MemoryMap.byteCount(rows: rows))]))
  }
}

extension MemoryMap {
  /// The frames that an allocator may have, run by run.
  var allocatable: [Range<UInt64>] {
    var runs: [Range<UInt64>] = []
    var next = FrameNumber(0)
    while let run = nextRun(.allocatable, from: next, .size4K) {
      runs.append(run.first.rawValue..<run.end.rawValue)
      next = run.end
    }
    return runs
  }
}

@Suite struct DeviceTreeTests {
  @Test func readsWhatTheMachineIs() throws {
    let builder = TreeBuilder.complete()
    let tree = try builder.tree()
    #expect(tree.start == PhysicalAddress(TreeBuilder.address))
    #expect(tree.byteCount == UInt64(builder.bytes().count))
    #expect(try tree.cpuCount() == 4)
    #expect((0..<5).map { tree.cpu($0) } == [0, 1, 2, 3, nil])
    #expect(
      try tree.initialDisk() == DeviceTree.Range(start: PhysicalAddress(0x4820_0000), byteCount: 0x1234))
    #expect(
      tree.device("arm,pl011") == DeviceTree.Range(start: PhysicalAddress(0x900_0000), byteCount: 0x1000))
    #expect(tree.device("arm,cortex-a15-gic", range: 1)?.start == PhysicalAddress(0x801_0000))
    #expect(tree.device("arm,cortex-a15-gic", range: 2) == nil)
    #expect(tree.device("arm,gic-v3") == nil && tree.device("arm,pl01") == nil)
    #expect(tree.device("arm,psci-0.2", property: "method", lists: "hvc"))
    #expect(!tree.device("arm,psci-0.2", property: "method", lists: "smc"))
    var line = try tree.commandLine()
    #expect(line.next()?.equals("laps=2") == true && line.next()?.equals("hold") == true)
    #expect(line.next() == nil)
  }

  /// 256 MiB, of which 512 KiB and 8 KiB are reserved.
  @Test func memoryIsWhatIsNamedButForWhatIsReserved() throws {
    let rows = Rows()
    let map = rows.map()
    try TreeBuilder.complete().tree().addMemory(to: map)
    #expect(map.count == 3)
    #expect(map.allocatable == [0x4_0080..<0x4_8000, 0x4_8002..<0x5_0000])
    let full = rows.map(rows: 2)
    let tree = try TreeBuilder.complete().tree()
    #expect(throws: DeviceTreeError.memoryMapTooLong(limit: 2)) { try tree.addMemory(to: full) }
  }

  @Test func memoryMayHaveSeveralRangesOfEitherSize() throws {
    let cells: [UInt32] = [0, 0x4000_0000, 0, 0x1000_0000, 1, 0, 2, 0]
    let map = Rows().map()
    try TreeBuilder.complete(memory: cells).tree().addMemory(to: map)
    #expect(map.count == 4)
    // The second one is of 8 GiB at 4 GiB.
    #expect(map.allocatable == [0x4_0080..<0x4_8000, 0x4_8002..<0x5_0000, 0x10_0000..<0x30_0000])
  }

  /// How fast the harts' counter is, where the tree says it, in four bytes or in eight.
  @Test(
    arguments: [
      ([0, 0x98, 0x96, 0x80], 10_000_000), ([0, 0, 0, 0, 0, 0x98, 0x96, 0x80], 10_000_000), ([0, 0x98], nil),
    ] as [([UInt8], UInt64?)])
  func theCountersFrequencyIsThatOfTheCPUs(_ value: [UInt8], _ frequency: UInt64?) throws {
    let builder = TreeBuilder()
    builder.node("") {
      builder.node("timer") { builder.property("timebase-frequency", 7) }
      builder.node("cpus") { builder.property("timebase-frequency", value) }
    }
    #expect(try builder.tree().timebaseFrequency == frequency)
  }

  /// An extension counts where every hart that works has it, as a whole word.
  @Test(arguments: [
    (["rv64imac_svpbmt_sstc", "rv64imac_sstc_svpbmt"], true), (["rv64imac_svpbmt", "rv64imac_sstc"], false),
    (["rv64imac_svpbmtx", "rv64imac_xsvpbmt"], false), (["rv64imac_svpbmt", ""], false),
  ])
  func anExtensionIsOneOfAllHarts(_ harts: [String], _ isThere: Bool) throws {
    let builder = TreeBuilder()
    builder.node("") {
      builder.node("cpus") {
        for (number, text) in harts.enumerated() {
          builder.node("cpu@\(number)") {
            builder.property("device_type", "cpu")
            builder.property("riscv,isa", text)
          }
        }
        builder.node("cpu@9") {
          builder.property("device_type", "cpu")
          builder.property("status", "fail")
        }
      }
    }
    #expect(try builder.tree().everyHart(has: "svpbmt") == isThere)
  }

  /// The list of names counts where there is one.
  @Test(arguments: [(["i", "svpbmt"], true), (["i", "sstc"], false), (["i_svpbmt"], false)])
  func extensionsAreListedInNewerTrees(_ names: [String], _ isThere: Bool) throws {
    let builder = TreeBuilder()
    builder.node("") {
      builder.node("cpus") {
        builder.node("cpu@0") {
          builder.property("device_type", "cpu")
          builder.property("riscv,isa", "rv64imac_svpbmt")
          builder.property("riscv,isa-extensions", names.flatMap { Array($0.utf8) + [0] })
        }
      }
    }
    #expect(try builder.tree().everyHart(has: "svpbmt") == isThere)
  }

  @Test func nothingIsChosenWhereNothingIsSaid() throws {
    let builder = TreeBuilder()
    builder.node("") { builder.node("chosen") { builder.property("bootargs", [0]) } }
    let tree = try builder.tree()
    #expect(try tree.initialDisk() == nil)
    var line = try tree.commandLine()
    #expect(line.next() == nil)
    #expect(throws: DeviceTreeError.noMemory) { try tree.addMemory(to: Rows().map()) }
    #expect(throws: DeviceTreeError.malformedCPUs) { try tree.cpuCount() }
  }

  @Test func aMachineMustMakeSense() throws {
    func expect(
      _ error: DeviceTreeError, _ builder: TreeBuilder, _ body: (DeviceTree) throws -> Void,
      _ location: SourceLocation = #_sourceLocation
    ) throws {
      let tree = try builder.tree()
      #expect(throws: error, sourceLocation: location) { try body(tree) }
    }
    func addMemory(_ tree: DeviceTree) throws {
      let rows = Rows()
      try tree.addMemory(to: rows.map())
    }
    let wraps: [UInt32] = [0xffff_ffff, 0xffff_f000, 0, 0x2000]
    try expect(.malformedMemory, .complete(memory: wraps), addMemory)
    try expect(.malformedMemory, .complete(memory: [0, 0x4000_0000, 0]), addMemory)
    try expect(.noMemory, .complete(memory: []), addMemory)
    try expect(.noMemory, .complete(memory: [0, 0x4000_0000, 0, 0]), addMemory)
    let twice: [UInt32] = [0, 0x4000_0000, 0, 0x1000_0000, 0, 0x4fff_f000, 0, 0x1000]
    try expect(.overlappingMemory(PhysicalAddress(0x4fff_f000)), .complete(memory: twice), addMemory)
    try expect(.malformedCPUs, .complete(cpus: []), { _ = try $0.cpuCount() })
    try expect(.malformedCPUs, .complete(cpus: [0, 1, 0]), { _ = try $0.cpuCount() })
    let unnumbered = TreeBuilder()
    unnumbered.node("") {
      unnumbered.node("cpus") { unnumbered.node("cpu@0") { unnumbered.property("device_type", "cpu") } }
    }
    try expect(.malformedCPUs, unnumbered, { _ = try $0.cpuCount() })
  }

  @Test func whatIsChosenMustMakeSense() throws {
    let backwards = TreeBuilder()
    backwards.node("") {
      backwards.node("chosen") {
        backwards.property("linux,initrd-start", 0x5000)
        backwards.property("linux,initrd-end", 0x4000)
        backwards.property("bootargs", Array("no end".utf8))
      }
    }
    let tree = try backwards.tree()
    #expect(throws: DeviceTreeError.malformedInitialDisk) { try tree.initialDisk() }
    #expect(throws: DeviceTreeError.commandLineWithoutEnd) { _ = try tree.commandLine() }
  }

  @Test(arguments: [0, 3, 7] as [UInt32])
  func numbersHaveOneCellOrTwo(cells: UInt32) throws {
    let builder = TreeBuilder()
    builder.node("") {
      builder.property("#address-cells", cells)
      builder.node("memory@0") {
        builder.property("device_type", "memory")
        builder.property("reg", 0, 0x4000_0000, 0, 0x1000_0000)
      }
    }
    let tree = try builder.tree()
    #expect(throws: DeviceTreeError.absurdCells(cells)) { try tree.addMemory(to: Rows().map()) }
  }
}
