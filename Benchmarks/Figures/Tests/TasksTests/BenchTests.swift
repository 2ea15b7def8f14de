import Testing

@testable import Tasks

@Suite struct BenchTests {
  private func boots(_ variables: [String: String], canGrow: Bool = true) -> [String] {
    Bench.boots(Variables(variables), canGrow: canGrow).map { "\($0.part) \($0.mode) \($0.cpus)" }
  }

  /// What is freed strictly is not measured by the module's tests, nor by growth or contention.
  @Test func everyPartIsCountedInItsModes() {
    #expect(
      boots([:]) == [
        "operations strict 1", "operations lazy 1", "tests lazy 1", "operations warm 1", "tests warm 1",
        "operations strict 2", "operations lazy 2", "tests lazy 2", "operations warm 2", "tests warm 2",
        "access lazy 1", "growth lazy 1", "growth warm 1", "memory lazy 1", "contention lazy 2",
        "contention warm 2", "contention lazy 4", "contention warm 4",
      ])
  }

  @Test func whatIsNotWantedIsLeftOut() {
    #expect(
      boots(["MODES": "strict", "BENCH_CPUS": "1", "CONTENTION": "no"], canGrow: false) == [
        "operations strict 1", "access lazy 1",
      ])
    #expect(
      boots(["MODES": "warm", "BENCH_CPUS": "4"]) == [
        "operations warm 4", "tests warm 4", "access lazy 1", "growth warm 1", "memory lazy 1",
        "contention warm 2", "contention warm 4",
      ])
  }

  /// The operations alone, in each mode, on one CPU.
  @Test func otherArchitecturesCome() {
    let variables = Variables(["MODES": "lazy warm", "BENCH_CPUS": "2", "CONTENTION": "no"])
    let boots = Bench.boots(variables, canGrow: false, others: [.aarch64, .riscv64]).suffix(4)
    #expect(
      boots.map(\.name)
        == ["aarch64", "riscv64"].flatMap { architecture in
          ["lazy", "warm"].map { "operations, mode \($0), CPUs: 1, on \(architecture)" }
        })
    #expect(boots.last?.variables["ARCH"] == "riscv64" && boots.last?.suffix == "_riscv64")
    let named = Bench.naming("bench a 1\n  bench b 2\nbench c 3\n", "_x")
    #expect(named == "bench a_x 1\n  bench b 2\nbench c_x 3\n")
  }

  @Test func aBootAsksForItsMachine() {
    let boots = Bench.boots(Variables(["MODES": "lazy"]), canGrow: true)
    let growth = boots.first { $0.part == "growth" }
    #expect(growth?.variables["MEMORY"] == "8192" && growth?.variables["VMALLOC_CONTENTION"] == "")
    let contention = boots.last
    #expect(contention?.variables["VMALLOC_CONTENTION"] == "1" && contention?.variables["CPUS"] == "4")
    #expect(contention?.variables["OPTIONS"] == "bench=contention mode=lazy")
    #expect(contention?.name == "contention, mode lazy, CPUs: 4")
  }

  @Test func whatGoesWellIsNoComplaint() {
    #expect(Bench.isUsual("bench a 1") && Bench.isUsual("== a") && Bench.isUsual("  locks 3"))
    #expect(!Bench.isUsual("a rule is broken") && !Bench.isUsual("  refuse"))
    #expect(Bench.isOfInterest("== tests, mode lazy") && !Bench.isOfInterest("== access"))
  }

  @Test func memoryIsThatWhichIsAvailable() {
    #expect(Bench.availableMebibytes("MemTotal: 9999999 kB\nMemAvailable:    4194303 kB\n") == 4095)
    #expect(Bench.availableMebibytes("MemTotal: 9999999 kB\n") == nil)
  }
}
