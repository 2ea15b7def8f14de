import Foundation
import Testing

/// What CPUs with and without an extension make of entries and of flushes.
@Suite(.boots(.riscv64), .serialized)
struct RISCVTranslationTests {
  /// Without Svpbmt its bits would fault; what a type is refused with is its own error.
  @Test(arguments: [("rv64,svpbmt=on", true), ("rv64,svpbmt=off", false)], [3, 4, 5])
  func useTheTypesThatTheTreeHas(_ processor: (name: String, hasTypes: Bool), _ levels: Int) throws {
    let boot = try Boot.run(
      .riscv64("test=cache-types levels=\(levels)", cpus: 2, processor: processor.name))
    let types = processor.hasTypes
    boot.expectCacheTypes([true, types, false, types, false])
  }

  /// Up to 16 pages. Tables go with the largest areas alone, which are flushed with everything anyway.
  @Test(arguments: [1, 2])
  func flushByAddress(_ cpus: Int) throws {
    let boot = try Boot.run(.riscv64("test=flushes mode=strict", cpus: cpus))
    boot.expectFlushed(everything: 5)
  }

  /// PAUSE alone would let no other hart on: the run would end with its time.
  @Test(arguments: ["strict", "warm"])
  func waitsLetOthersOnUnderOneThread(_ mode: String) throws {
    let boot = try Boot.run(.riscv64("stress=500 mode=\(mode) icount", cpus: 2).countingInstructions)
    boot.expectPass()
  }

  @Test
  func saysThatWaitsNeedATimer() throws {
    let boot = try Boot.run(.riscv64("icount", processor: "rv64,sstc=off"))
    boot.expectMessage(39, "panic: this CPU lacks Sstc")
  }
}

@Suite(.boots(.aarch64), .serialized)
struct AArch64TranslationTests {
  /// The cortex-a72 has no TLBI by range, and flushes everything above 512 pages.
  @Test(
    arguments: [("max", 0), ("cortex-a72", 2)], ["4K", "64K"])
  func flushByRanges(_ processor: (name: String, everything: Int), _ granule: String) throws {
    for cpus in [1, 2] {
      let boot = try Boot.run(
        .aarch64("test=flushes mode=strict granule=\(granule)", processor: processor.name, cpus: cpus))
      boot.expectFlushed(everything: processor.everything)
    }
  }

  @Test(arguments: ["max", "cortex-a72"])
  func useAllTypes(_ processor: String) throws {
    let boot = try Boot.run(.aarch64("test=cache-types", processor: processor))
    boot.expectCacheTypes([true, true, true, true, true])
  }

  @Test
  func waitsLetOthersOnUnderOneThread() throws {
    let boot = try Boot.run(.aarch64("stress=500 mode=strict", cpus: 2).countingInstructions)
    boot.expectPass()
  }
}

@Suite(.boots(.x86_64), .serialized)
struct X86TranslationTests {
  @Test
  func flushByAddress() throws {
    let boot = try Boot.run(Setup(options: "test=flushes mode=strict"))
    boot.expectFlushed(everything: 4)
  }

  @Test
  func useAllTypes() throws {
    let boot = try Boot.run(Setup(options: "test=cache-types"))
    boot.expectCacheTypes([true, true, true, true, true])
  }
}
