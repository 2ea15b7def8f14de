import LinuxMemory
import Testing

@testable import VmallocTool

/// Advice comes where the rows show the reason, and nowhere else.
@Suite struct AdviceTests {
  private func kinds(_ text: String) throws -> [String] { try Lists.inspect(text).advice.map(\.kind) }

  @Test func anOrdinaryListGetsNone() throws {
    #expect(try kinds(Lists.morning).isEmpty)
  }

  @Test func codeThatIsGoneIsNamed() throws {
    #expect(
      try kinds(
        Lists.morning + "0xffffc90000300000-0xffffc90000302000 8192 0xffffffffc038902f pages=1 vmalloc\n")
        == ["module-gone"])
  }

  @Test func aSmallSpaceThatIsFullIsNamed() throws {
    let list =
      "0xf0000000-0xfe000000 234881024 f+0x1/0x2 pages=57343 vmalloc\nVmallocTotal: 245760 kB\nVmallocUsed: 0 kB\n"
    #expect(try kinds(list) == ["space-nearly-full"])
    let modules = "0xbf000000-0xbff00000 15728640 load+0x1/0x2 pages=3839 vmalloc\n"
    #expect(try kinds(modules) == ["module-space-nearly-full"])
    #expect(try kinds("0xbf000000-0xbf100000 1048576 load+0x1/0x2 pages=255 vmalloc\n").isEmpty)
  }

  @Test func mostlyUnpurgedIsHarmless() throws {
    let unpurged = (0..<9).map { "0xffffc9000030\($0)000-0xffffc9000030\($0 + 1)000 4096 unpurged vm_area\n" }
    #expect(try kinds(Lists.morning + unpurged.joined()) == ["mostly-unpurged"])
  }

  @Test func perCPUChunksAreNoMemory() throws {
    let chunks = (0..<4).map {
      "0xffffd68d7\($0)000000-0xffffd68d7\($0)fff000 33554432 pcpu_get_vm_areas+0x0/0x550 vmalloc\n"
    }
    #expect(try kinds(chunks.joined()) == ["percpu-chunks"])
  }

  @Test func hashTablesOnOneNodeOfTwoAreNamed() throws {
    func list(_ nodes: String) -> String {
      "0xffffa00000000000-0xffffa00001001000 16781312 alloc_large_system_hash+0xf1/0x290 pages=4096 vmalloc \(nodes)\n"
        + "0xffffa00001001000-0xffffa00001006000    20480 f+0x1/0x9 pages=4 vmalloc N1=4\n"
    }
    #expect(try kinds(list("N0=4096")) == ["hash-tables-on-one-node"])
    #expect(try kinds(list("N0=2048 N1=2048")).isEmpty)
  }

  @Test func oneAddressWithTwoNamesIsNamed() throws {
    let twice = """
      0xffffc90000000000-0xffffc90000002000    8192 f+0x1/0x2 [a] pages=1 vmalloc
      0xffffc90000000000-0xffffc90000002000    8192 g+0x1/0x2 [b] pages=1 vmalloc
      """
    #expect(try kinds(twice) == ["listed-twice"])
  }
}
