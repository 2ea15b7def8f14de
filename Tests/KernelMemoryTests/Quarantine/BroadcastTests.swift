import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// Machines on which the flush of one CPU reaches the TLBs of all: no CPU is asked to flush, and epochs alone
/// say that look-ups have passed.
@Suite struct BroadcastTests {
  /// One CPU frees what all of them have used: none of them is interrupted, and none translates it any more.
  /// On other machines each is interrupted.
  @Test(arguments: [false, true], [2, 4])
  func aFreeInterruptsNobody(broadcasts: Bool, cpuCount: Int) throws {
    var hardware = Hardware()
    hardware.broadcastsFlushes = broadcasts
    let test = try TestMachine(mode: .strict, cpuCount: cpuCount, hardware: hardware)
    let (before, interruptsBefore) = (
      test.manager.counters[.notifications], test.simulated.counters.interrupts
    )
    for _ in 0..<50 {
      let pointer = try test.manager.vmalloc(3 * 4096)
      let address = VirtualAddress(pointer)
      for cpu in 0..<cpuCount {
        try test.simulated.onCPU(cpu) { try test.simulated.store(UInt64(cpu), at: address) }
      }
      try test.manager.vfree(pointer)
      for cpu in 0..<cpuCount {
        let fault = test.simulated.onCPU(cpu) { test.fault(.read, at: address) }
        #expect(fault?.cause == .notPresent, "CPU \(cpu)")
      }
    }
    let expected = broadcasts ? 0 : UInt64(50 * (cpuCount - 1))
    #expect(test.manager.counters[.notifications] - before == expected)
    #expect(test.simulated.counters.interrupts - interruptsBefore == expected)
    test.expectValid()
  }

  /// A drain, and the removal of a tag, are no flushes: each CPU has its own part in them.
  @Test func drainsAndRemovalsStillAsk() throws {
    let test = try TestMachine(mode: .warm, cpuCount: 2, hardware: .broadcasting)
    let tag = try test.manager.makeTag(named: "gone")
    let before = test.manager.counters[.notifications]
    try test.manager.removeTag(tag)
    #expect(test.manager.counters[.notifications] == before + 1)
    try test.simulated.onCPU(1) { try test.manager.vfree(test.manager.vmalloc(4096)) }
    try test.manager.flushRetired()
    #expect(test.manager.counters[.notifications] > before + 1)
    #expect(test.manager.retained == RetainedMemory())
    test.expectValid()
  }

  /// A CPU in the middle of a look-up is waited for, and not notified.
  @Test func aLookUpHoldsBackWhatItMaySee() throws {
    let test = try TestMachine(mode: .lazy, cpuCount: 2, hardware: .broadcasting)
    let shootdown = test.manager.quarantine.shootdown
    let other = test.manager.cpus.block(1)
    let begun = other.value.progress.beginLookup()
    let epoch = try #require(begun)
    let request = try test.manager.cpus.enter { cpu in shootdown.request(FlushRanges(), cpu) }
    #expect(!shootdown.isComplete(request))
    other.value.progress.endLookup(epoch)
    #expect(shootdown.isComplete(request))
    #expect(test.manager.counters[.notifications] == 0)
  }
}
