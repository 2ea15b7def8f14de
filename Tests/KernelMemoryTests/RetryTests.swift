import MachineSimulator
import Testing

@testable import KernelMemory

/// What is short is tried again, once, after the open batch is completed and the CPU's lists are empty.
@Suite struct RetryTests {
  /// Single frames on a CPU's list are blocks again when a block is asked for.
  @Test func aBlockComesOutOfTheListsOfSingleFrames() throws {
    let test = try TestMachine(ram: [.small])
    var frames: [FrameNumber] = []
    try test.manager.allocateFrames(count: Int(test.framesLeft)) { frames.append($0) }
    #expect(throws: MemoryError.framesExhausted(got: .zero, of: PageCount(32))) {
      _ = try test.manager.allocateFrames(order: 5)
    }
    let run = frames.map(\.rawValue).filter { $0 >= 1024 && $0 < 1024 + 32 }
    #expect(run.count == 32)
    for frame in run { try test.manager.freeFrames(FrameNumber(frame)) }
    #expect(test.manager.usage(of: .dma).cached == PageCount(32))
    #expect(test.manager.usage(of: .dma).free == .zero)
    let block = try test.manager.allocateFrames(order: 5)
    #expect(block == FrameNumber(1024))
    test.expectValid()
  }

  /// Frames, tables and addresses of a batch that nobody has flushed yet serve an allocation that needs them.
  @Test func whatIsOnItsWayBackIsCompleted() throws {
    let test = try TestMachine(ram: [.small], vmallocPages: 20, mode: .lazy)
    let pointer = try test.manager.vmalloc(18 * 4096)
    try test.simulated.store(UInt64(1), at: VirtualAddress(pointer))
    try test.withFramesLeft(0) {
      try test.manager.vfree(pointer)
      // All but one of the range's pages, and all of the frames, are in the batch.
      #expect(test.framesLeft == 0)
      let again = try test.manager.vmalloc(18 * 4096)
      #expect(again == pointer)
      #expect(test.framesLeft == 0)
    }
    #expect(test.manager.counters[.flushesOfRanges] == 1)
  }
}
