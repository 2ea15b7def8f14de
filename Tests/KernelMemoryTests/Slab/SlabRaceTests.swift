import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// What is found without a lock, and may be somebody else's when it is written.
@Suite struct SlabRaceTests {
  @Test(arguments: [SlabHardening.none, .hardened(secret: 0x1234_5678_9abc_def1), .checked(secret: 99)])
  func aSecondFreeChangesNothingOfWhoeverHasTheSlabsFrame(_ hardening: SlabHardening) throws {
    let report = try Scenarios.freeAcrossReturnOfSlab(hardening).exhaustive(at: StepSet(.objectFound))
    #expect(report.isComplete && report.schedules >= 3, "\(report)")
  }

  @Test(arguments: [SlabHardening.none, .hardened(secret: 0x1234_5678_9abc_def1), .checked(secret: 99)])
  func aLateFreeFindsNoOwnerInANewSlab(_ hardening: SlabHardening) throws {
    let report = try Scenarios.lateFreeInANewSlab(hardening).exhaustive(
      at: StepSet(.slabMarked, .objectFound))
    #expect(report.isComplete && report.schedules >= 3, "\(report)")
  }

  @Test(arguments: [FreeMode.strict, .lazy, .warm])
  func aResizeChangesNoAreaButItsOwn(_ mode: FreeMode) throws {
    let report = try Scenarios.resizeOfReusedArea(mode).exhaustive(
      at: StepSet(.areaFound, .framesFreed, .rangeFreed), preemptions: 2, atMost: 5_000)
    #expect(report.schedules >= 4, "\(report)")
  }
}
