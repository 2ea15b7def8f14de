import Foundation
import Testing

// The same kernel, unoptimised, with the core's assertions in it.

@Suite(.bootsUnoptimised(.x86_64), .serialized)
struct UnoptimisedTests {
  @Test
  func replaysARecordedBoot() throws {
    try Unoptimised(machine: Setup()).replay()
  }

  @Test(arguments: Unoptimised.modes)
  func handsAreasFromCPUToCPU(_ mode: String) throws {
    try Unoptimised(machine: Setup()).handOver(mode)
  }

  @Test
  func takesAtMost16KiBOfStack() throws {
    try Unoptimised(machine: Setup()).measureStack()
  }
}

@Suite(.bootsUnoptimised(.aarch64), .serialized)
struct UnoptimisedAArch64Tests {
  @Test
  func replaysARecordedBoot() throws {
    try Unoptimised(machine: .aarch64()).replay()
  }

  @Test(arguments: Unoptimised.modes)
  func handsAreasFromCPUToCPU(_ mode: String) throws {
    try Unoptimised(machine: .aarch64()).handOver(mode)
  }

  @Test(arguments: ["4K", "16K", "64K"])
  func takesAtMost16KiBOfStack(_ granule: String) throws {
    try Unoptimised(machine: .aarch64("granule=\(granule)")).measureStack()
  }
}

@Suite(.bootsUnoptimised(.riscv64), .serialized)
struct UnoptimisedRISCVTests {
  @Test
  func replaysARecordedBoot() throws {
    try Unoptimised(machine: .riscv64()).replay()
  }

  @Test(arguments: Unoptimised.modes)
  func handsAreasFromCPUToCPU(_ mode: String) throws {
    try Unoptimised(machine: .riscv64()).handOver(mode)
  }

  @Test(arguments: [3, 4, 5])
  func takesAtMost16KiBOfStack(_ levels: Int) throws {
    try Unoptimised(machine: .riscv64("levels=\(levels)")).measureStack()
  }
}

/// A machine of any architecture, booted with the unoptimised kernel.
private struct Unoptimised {
  static let modes = ["strict", "lazy", "warm"]

  let machine: Setup

  private func boot(_ words: String, cpus: Int = 1) throws -> Boot {
    var setup = machine.unoptimised
    setup.options += " \(words)"
    setup.cpus = cpus
    return try Boot.run(setup)
  }

  func replay() throws { try boot("").expectReplay() }

  /// Areas that go from CPU to CPU.
  func handOver(_ mode: String) throws {
    try boot("stress=400 mode=\(mode)", cpus: 2).expectHandedOver(cpus: 2, pairs: 400, mode: mode)
  }

  func measureStack() throws { try boot("test=start-stack").expectStack(atMost: 16_384) }
}
