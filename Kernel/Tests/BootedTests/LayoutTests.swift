import Foundation
import Testing

/// The layouts of kernels that people have: nothing in the upper half, memory at its own addresses alone, and
/// Swift's objects there, too.
struct LayoutTests {
  private static let jobs = ["", "test=swift-heap", "stress=500 mode=warm", "test=interrupt mode=lazy"]

  private static func boot(_ job: String, _ setup: Setup) throws {
    var setup = setup
    setup.options += " layout=identity \(job)"
    setup.cpus = job.isEmpty ? 1 : 4
    let boot = try Boot.run(setup)
    if job.isEmpty { boot.expectReplay() } else { boot.expectPass() }
  }

  /// What is mapped: RAM at its own addresses, once, and all else lower than the upper half.
  private static func expectLowerHalf(_ setup: Setup, pageBytes: UInt64 = 4_096) throws {
    var setup = setup
    setup.options += " layout=identity hold"
    let boot = try Boot.hold(setup, asking: [])
    let listed = ListedLeaf.all(in: boot.serial)
    // The job has modules where they were recorded.
    let own = listed.filter { $0.leaf.address < 0xffff_ffff_c000_0000 }
    #expect(own.count > 300 && own.allSatisfy { 4_096..<1 << 47 ~= $0.leaf.address }, "\(boot.serial)")
    let atHome = listed.filter { $0.leaf.address < 16 << 40 }
    #expect(atHome.allSatisfy { $0.leaf.address == $0.leaf.frame })
    #expect(atHome.reduce(0) { $0 + $1.pages } * pageBytes > 900 << 20)
    // Its areas lie elsewhere, and no page of memory is reached by another address than these two.
    #expect(listed.contains { $0.leaf.address >= 0x2000_0000_0000 })
  }

  private static let faults: [FaultTests.Case] = [
    .init(
      name: "null",
      lines: [
        "page fault: write at 0x0000000000000008, not mapped",
        "  null dereference: page zero is never mapped",
      ]),
    .init(name: "guard", lines: ["page fault: write at 0x0000200000003000, not mapped"]),
    .init(name: "write-read-only", lines: ["page fault: write at 0x", "  kernel image: constants"]),
  ]

  private static func fault(_ setup: Setup) throws {
    for fault in faults {
      var setup = setup
      setup.options += " layout=identity test=\(fault.name)"
      try Boot.run(setup).expectFault(fault)
    }
  }

  @Suite(.boots(.x86_64), .serialized) struct X86 {
    @Test(arguments: jobs) func doesItsJobs(_ job: String) throws { try boot(job, Setup()) }
    @Test func leavesTheUpperHalfAlone() throws { try expectLowerHalf(Setup()) }
    @Test func faultsAsElsewhere() throws { try fault(Setup()) }
  }

  @Suite(.boots(.aarch64), .serialized) struct AArch64 {
    @Test(arguments: jobs) func doesItsJobs(_ job: String) throws { try boot(job, .aarch64()) }
    @Test func doesItsJobsWithLargePages() throws { try boot("stress=500", .aarch64("granule=64K")) }
    @Test func leavesTheUpperHalfAlone() throws { try expectLowerHalf(.aarch64()) }
    @Test func faultsAsElsewhere() throws { try fault(.aarch64()) }
  }

  @Suite(.boots(.riscv64), .serialized) struct RISCV64 {
    @Test(arguments: jobs) func doesItsJobs(_ job: String) throws { try boot(job, .riscv64()) }
    @Test func doesItsJobsWithThreeLevels() throws { try boot("test=swift-heap", .riscv64("levels=3")) }
    @Test func leavesTheUpperHalfAlone() throws { try expectLowerHalf(.riscv64()) }
    @Test func faultsAsElsewhere() throws { try fault(.riscv64()) }
  }
}
