import KernelMemory
import LoaderText
import Testing

@testable import DeviceTree

/// Trees that are missing, cut off, or changed: an error with a sentence of its own, and never more than
/// that.
@Suite struct DamagedTreeTests {
  private func expect(
    _ error: DeviceTreeError, _ builder: TreeBuilder, _ change: (inout [UInt8]) -> Void = { _ in },
    _ location: SourceLocation = #_sourceLocation
  ) {
    var bytes = builder.bytes()
    change(&bytes)
    #expect(throws: error, sourceLocation: location) { try builder.read(bytes) }
  }

  private func put(_ number: UInt32, at offset: Int, in bytes: inout [UInt8]) {
    bytes.replaceSubrange(offset..<offset + 4, with: TreeBuilder.bytes([number]))
  }

  @Test func noTree() {
    let builder = TreeBuilder.complete()
    #expect(throws: DeviceTreeError.noTree(PhysicalAddress(0))) { try builder.read(at: 0) }
    #expect(throws: DeviceTreeError.noTree(PhysicalAddress(0x1002))) { try builder.read(at: 0x1002) }
    let far = UInt64.max - 7
    #expect(throws: DeviceTreeError.unreachable(PhysicalAddress(far), byteCount: 40)) {
      try builder.read(at: far)
    }
    expect(.notTree(magic: 0), builder, { self.put(0, at: 0, in: &$0) })
    expect(.unknownVersion(15), builder, { self.put(15, at: 20, in: &$0) })
    expect(.unknownVersion(17), builder, { self.put(18, at: 24, in: &$0) })
    expect(.absurdSize(39), builder, { self.put(39, at: 4, in: &$0) })
    expect(.absurdSize(.max), builder, { self.put(.max, at: 4, in: &$0) })
    expect(
      .unreachable(PhysicalAddress(0x1000), byteCount: 0xf001), builder, { self.put(0xf001, at: 4, in: &$0) })
  }

  @Test func blocksBeyondTheEnd() {
    let builder = TreeBuilder.complete()
    for offset in [8, 36] {
      expect(.truncated(.structure), builder, { self.put(.max, at: offset, in: &$0) })
    }
    for offset in [12, 32] { expect(.truncated(.strings), builder, { self.put(.max, at: offset, in: &$0) }) }
  }

  /// Whatever the size says is left.
  @Test func cutOffAnywhere() throws {
    let builder = TreeBuilder.complete()
    let whole = builder.bytes()
    for size in 40..<whole.count {
      var bytes = whole
      put(UInt32(size), at: 4, in: &bytes)
      #expect(throws: DeviceTreeError.self, "of \(size) bytes") { try builder.read(bytes) }
    }
    let structBytes = UInt32(builder.structure.count + 4)
    for size in 0..<structBytes {
      var bytes = whole
      put(size, at: 36, in: &bytes)
      #expect(throws: DeviceTreeError.self, "a struct block of \(size) bytes") { try builder.read(bytes) }
    }
  }

  @Test func nodesThatDoNotEndAsTheyBegan() {
    let open = TreeBuilder()
    open.begin("")
    #expect(throws: DeviceTreeError.self) { try open.tree() }
    let closed = TreeBuilder()
    closed.end()
    #expect(throws: DeviceTreeError.self) { try closed.tree() }
    let empty = TreeBuilder()
    #expect(throws: DeviceTreeError.self) { try empty.tree() }
    let two = TreeBuilder()
    two.node("") {}
    two.node("") {}
    #expect(throws: DeviceTreeError.self) { try two.tree() }
    let outside = TreeBuilder()
    outside.property("reg", 1)
    #expect(throws: DeviceTreeError.self) { try outside.tree() }
    let deep = TreeBuilder()
    for _ in 0..<33 { deep.begin("n") }
    for _ in 0..<33 { deep.end() }
    #expect(throws: DeviceTreeError.tooDeep(limit: 32)) { try deep.tree() }
    let fits = TreeBuilder()
    for _ in 0..<32 { fits.begin("n") }
    for _ in 0..<32 { fits.end() }
    #expect(throws: Never.self) { try fits.tree() }
  }

  @Test func reservationsWithoutEnd() throws {
    let builder = TreeBuilder.complete()
    var bytes = builder.bytes()
    put(UInt32(bytes.count - 8), at: 16, in: &bytes)
    let tree = try builder.read(bytes)
    #expect(throws: DeviceTreeError.truncated(.reservations)) { try tree.addMemory(to: Rows().map()) }
  }

  /// Bytes changed at random: whoever reads gets an answer or an error, at every question.
  @Test(arguments: 0..<8 as Range<UInt64>)
  func anythingElse(seed: UInt64) {
    let builder = TreeBuilder.complete()
    let whole = builder.bytes()
    let rows = Rows()
    var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
    func random(_ limit: Int) -> Int {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Int(state >> 33) % limit
    }
    var refused = 0
    var sentences = Set<String>()
    for _ in 0..<1_000 {
      var bytes = whole
      for _ in 0...random(3) {
        bytes[random(bytes.count)] = [0, 1, 0xff, UInt8(random(256))][random(4)]
      }
      do throws(DeviceTreeError) {
        let tree = try builder.read(bytes)
        try tree.addMemory(to: rows.map())
        _ = try (tree.cpuCount(), tree.initialDisk(), tree.commandLine())
        _ = tree.device("arm,cortex-a15-gic", range: 1)
      } catch {
        refused += 1
        sentences.insert(Sentence(error).text)
      }
    }
    #expect(refused > 100 && sentences.count > 5)
    #expect(sentences.allSatisfy { $0.hasPrefix("the ") })
  }
}
