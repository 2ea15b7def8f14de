import Testing

@testable import Figures

@Suite struct BenchTablesTests {
  static let anchors = Anchors(
    tsv: """
      # row	operation	Linux, 1 CPU	Linux, 2 CPUs	goal
      kmalloc_64	kmalloc(64)	108	108	90
      vmalloc_4K_cold	vmalloc(4 KiB), entries edited	3220	2410	250
      vm_map_ram_1	vm_map_ram, 1 page	715	-	200
      test_pcpu	pcpu_alloc_test, an object	19200	-	-
      memory_area_1_descriptor	descriptor of a live area	176	176	64
      growth_ratio	pairs	-	-	1.2
      growth_worst_vmalloc	worst vmalloc	-	-	2000
      growth_memory_95_worst_vmalloc	the same, with 95 % of memory used	-	-	4000
      growth_worst_vfree	worst vfree	-	-	500
      contention_cold	64 pairs	-	-	2
      contention_random_cold	64 pairs at random	-	-	6
      """)

  private func lines(_ rows: [String]) throws -> [String] {
    let figures = try Figures(log: rows.map { "bench \($0)" }.joined(separator: "\n"))
    return BenchTables(figures, Self.anchors).text.split(separator: "\n", omittingEmptySubsequences: false)
      .map(String.init)
  }

  @Test func operationsStandBesideLinuxAndTheGoal() throws {
    let lines = try lines(["kmalloc_64 90", "kmalloc_64_2cpu 54", "vmalloc_4K_cold 251"])
    #expect(
      lines == [
        "instructions per operation             1 CPU     Linux  ratio     goal               2 CPUs     Linux  ratio",
        "kmalloc(64)                               90       108   0.83       90  met              54       108   0.50",
        "vmalloc(4 KiB), entries edited           251     3,220   0.08      250  not met           -     2,410      -",
        "vm_map_ram, 1 page                         -       715      -      200  absent            -         -      -",
        "pcpu_alloc_test, an object                 -    19,200      -        -  absent            -         -      -",
        "1 of 3 goals met", "",
      ])
  }

  @Test func otherArchitecturesStandBeside() throws {
    let lines = try lines(["kmalloc_64 90", "kmalloc_64_riscv64 1054"])
    #expect(
      lines[7...8] == [
        "instructions per operation, 1 CPU     x86-64   AArch64    RISC-V",
        "kmalloc(64)                               90         -     1,054",
      ])
  }

  @Test func aFullMachineStandsBesideAnEmptyOne() throws {
    let lines = try lines([
      "growth_empty_cold 100", "growth_empty_worst_vmalloc_cold 2000", "growth_empty_worst_vfree_cold 501",
      "growth_memory_95_cold 121", "growth_memory_95_worst_vmalloc_cold 4000",
      "growth_memory_95_worst_vfree_cold 500",
      "growth_memory_50_cold 120", "growth_memory_50_worst_vmalloc_cold 2001",
      "growth_memory_50_worst_vfree_cold 1",
    ])
    let table = Array(lines.drop { !$0.hasPrefix("pairs of one page") })
    #expect(
      table == [
        "pairs of one page                      mean  of empty             worst vmalloc             worst vfree  ",
        "nothing live                cold        100     1.000  met                 2000  met                501  not met",
        "50 % of memory used         cold        120     1.200  met                 2001  not met              1  met",
        "95 % of memory used         cold        121     1.210  not met             4000  met                500  met",
        "goals: of empty 1.2, worst vmalloc 2000 (with 95 % of memory used 4000), worst vfree 500", "",
      ])
  }

  @Test func whatCPUsShareIsJudgedTogether() throws {
    let lines = try lines([
      "contention_locks_cold_2cpu 1.63", "contention_lock_waits_cold_2cpu 0.00",
      "contention_shared_updates_cold_2cpu 0.38", "contention_free_updates_cold_2cpu 64.00",
      "contention_random_locks_cold_4cpu 5.60", "contention_random_shared_updates_cold_4cpu 0.40",
    ])
    #expect(
      lines.contains(
        "pairs of one page           cold       2     1.63     0.00     0.38    64.00  not met"))
    #expect(
      lines.contains("1 to 64 pages at random     cold       4     5.60              0.40           met"))
  }

  @Test func memoryAndAccessesAreThereWhereTheyWereCounted() throws {
    let lines = try lines([
      "memory_area_1_descriptor 63.94", "memory_area_1_all 104.39", "memory_area_1_addresses 8192.00",
      "memory_tables_left 0", "access_64M_4K_walks 904.35", "access_64M_4K_misses 996.00",
      "access_64M_4K_loads 904.36",
    ])
    #expect(lines.contains("of 1 page                         63.94                              104.39"))
    #expect(lines.contains("descriptor: Linux 176, goal 64, met"))
    #expect(lines.contains("addresses for one of a million areas of 1 page: 8192 bytes, guard included"))
    #expect(lines.contains("over 64 MiB                 4 KiB           996.00   904.35         904.36"))
    #expect(!lines.contains { $0.hasPrefix("over 1 GiB") || $0.hasPrefix("pairs of one page") })
  }
}
