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

  /// The other side of each: what looks alike and shows nothing.
  @Test(arguments: [
    // A large space that is a third full; a space of 64 bits, which never is.
    "0xf0000000-0xf5000000 83886080 f+0x1/0x2 pages=20479 vmalloc\nVmallocTotal: 245760 kB\n",
    "0xffffc90000000000-0xffffd90000000000 17592186044416 f+0x1/0x2 phys=0x1000 ioremap\nVmallocTotal: 34359738367 kB\n",
    // A symbol whose name begins like an address; half of the areas unpurged, not more.
    "0xffffc90000000000-0xffffc90000002000 8192 x0fff+0x1/0x2 pages=1 vmalloc\n",
    "0xffffc90000000000-0xffffc90000002000 8192 f+0x1/0x2 pages=1 vmalloc\n0xffffc90000002000-0xffffc90000003000 4096 unpurged vm_area\n",
    // One chunk of per-CPU memory beside something as large.
    "0xffffd68d70000000-0xffffd68d72000000 33554432 pcpu_get_vm_areas+0x0/0x550 vmalloc\n",
    // Small hash tables on one of two nodes; large ones where the list shows no other node.
    "0xffffa00000000000-0xffffa00000101000 1052672 alloc_large_system_hash+0x1/0x2 pages=256 vmalloc N0=256\n0xffffa00001001000-0xffffa00001006000 20480 f+0x1/0x9 pages=4 vmalloc N1=4\n",
    "0xffffa00000000000-0xffffa00001001000 16781312 alloc_large_system_hash+0x1/0x2 pages=4096 vmalloc N0=4096\n",
    // Compiled programs of 100 MiB.
    "0xffffffffa0000000-0xffffffffa6401000 104861696 bpf_jit_alloc_exec+0x1/0x2 pages=25600 vmalloc\n",
  ])
  func noneIsGivenWithoutEvidence(_ list: String) throws { #expect(try kinds(list).isEmpty) }

  @Test func compiledProgramsNearTheirLimitAreNamed() throws {
    func list(_ pages: Int, _ owner: String) -> String {
      "0xffffffffa0000000-0xffffffffb0000000 268435456 \(owner)+0xe/0x20 pages=\(pages) vmalloc N0=\(pages)\n"
    }
    for owner in ["bpf_jit_alloc_exec", "bpf_jit_binary_alloc", "bpf_prog_pack_alloc"] {
      let advice = try Lists.inspect(list(52_000, owner)).advice
      #expect(advice.map(\.kind) == ["bpf-jit-limit"])
      #expect(
        advice.first?.text.contains("error 524") == true && advice.first?.text.contains("203.1 MiB") == true)
    }
    #expect(try kinds(list(51_000, "bpf_jit_alloc_exec")).isEmpty)
    #expect(try kinds(list(52_000, "bpf_prog_alloc")).isEmpty)
    // The running kernel's own limit counts, where the list is the running kernel's.
    var report = try Lists.inspect(list(2000, "bpf_jit_alloc_exec"))
    report.bpfLimit = 8 << 20
    #expect(report.advice.map(\.kind) == ["bpf-jit-limit"])
    #expect(report.advice.first?.text.contains("allows 8.0 MiB") == true)
    report = try Lists.inspect(list(52_000, "bpf_jit_alloc_exec"))
    report.bpfLimit = 504 << 20
    #expect(report.advice.isEmpty)
  }

  private func diff(_ old: String, _ new: String) throws -> [String] {
    DiffReport(try Lists.read(old, "old"), try Lists.read(new, "new"), matching: nil).advice.map(\.kind)
  }

  @Test func growthOfCompiledProgramsIsNamed() throws {
    func list(_ pages: Int) -> String {
      Lists.morning
        + "0xffffffffa0000000-0xffffffffa1000000 16777216 bpf_jit_alloc_exec+0xe/0x20 pages=\(pages) vmalloc N0=\(pages)\n"
    }
    #expect(try diff(list(100), list(1000)) == ["bpf-jit-growth"])
    #expect(try diff(list(1000), list(100)).isEmpty)
    #expect(try diff(list(100), list(300)).isEmpty)
  }

  /// A name that belongs to another module than before, and one that does not.
  @Test func aCallerWithAnotherModuleIsNamed() throws {
    func list(_ caller: String) -> String {
      Lists.morning + "0xffffc90000300000-0xffffc90000302000    8192 \(caller) pages=1 vmalloc N0=1\n"
    }
    #expect(try diff(list("f+0x1/0x2 [a]"), list("g+0x1/0x2 [b]")) == ["caller-changed-module"])
    #expect(try diff(list("f+0x1/0x2 [a]"), list("g+0x1/0x2 [a]")).isEmpty)
    #expect(try diff(list("f+0x1/0x2 [a]"), list("f+0x1/0x2 [a]")).isEmpty)
    // Spread that was there, and is: nothing is lost.
    #expect(try diff(Lists.evening, Lists.evening).isEmpty)
  }
}
