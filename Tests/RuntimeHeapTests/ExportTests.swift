import KernelMemory
import RuntimeHeap
import Testing

/// The two functions that stand behind `posix_memalign` and `free`. There is one heap of the runtime in a
/// process, so that each of these begins in a process of its own.
@Suite struct ExportTests {
  @Test func nothingIsHandedOutBeforeTheStartAndOneHeapIsStarted() async {
    await #expect(processExitsWith: .success) {
      var pointer: UnsafeMutableRawPointer?
      precondition(runtimeHeapAllocate(&pointer, 16, 64) == 12 && pointer == nil)
      runtimeHeapFree(nil)
      let machine = try HeapMachine()
      try RuntimeHeap.start(on: machine.manager, window: machine.window, exhaustion: .refuse)
      precondition(runtimeHeapAllocate(&pointer, 16, 64) == 0 && pointer != nil)
      var other: UnsafeMutableRawPointer?
      precondition(runtimeHeapAllocate(&other, 3, 64) == 22 && other == nil)
      precondition(runtimeHeapAllocate(&other, 8 << 20, 64) == 12 && other == nil)
      precondition(runtimeHeapAllocate(&other, 16, .max) == 12 && other == nil)
      runtimeHeapFree(pointer)
      precondition(RuntimeHeap.current?.usage.liveObjects == 0)
      do throws(RuntimeHeapError) {
        try RuntimeHeap.start(on: machine.manager, window: machine.window)
        preconditionFailure("a second heap")
      } catch {
        precondition(error == .alreadyStarted)
      }
    }
  }

  @Test(arguments: [0, 8, 1 << 40])
  func aWrongFreeEndsTheMachine(_ offset: Int) async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [offset] in
      let machine = try HeapMachine()
      try RuntimeHeap.start(on: machine.manager, window: machine.window)
      var pointer: UnsafeMutableRawPointer?
      precondition(runtimeHeapAllocate(&pointer, 16, 64) == 0)
      if offset == 0 { runtimeHeapFree(pointer) }
      runtimeHeapFree(pointer! + offset)
    }
    let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(said.contains("the Swift runtime's heap: free of"), "\(said)")
  }

  /// Swift's runtime would trap on a null pointer: the machine says how much was asked for, who asked, and
  /// why not.
  @Test(arguments: [(UInt(5 << 20), "a block has: 4194304; no object is larger"), (64, "quota of 0 bytes")])
  func exhaustionEndsTheMachine(byteCount: UInt, reason: String) async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      [byteCount] in
      let machine = try HeapMachine()
      try RuntimeHeap.start(on: machine.manager, window: machine.window)
      var pointer: UnsafeMutableRawPointer?
      if byteCount == 64 { try machine.manager.setQuota(0, for: RuntimeHeap.current!.tag) }
      _ = runtimeHeapAllocate(&pointer, 16, byteCount)
    }
    let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(said.contains("no memory for \(byteCount) bytes aligned to 16, charged to swift: "), "\(said)")
    #expect(said.contains(reason), "\(said)")
  }

  /// Not as a free of what is none of its objects.
  @Test func aFreeInAnNMIIsCalledOne() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let machine = try HeapMachine()
      try RuntimeHeap.start(on: machine.manager, window: machine.window)
      var pointer: UnsafeMutableRawPointer?
      precondition(runtimeHeapAllocate(&pointer, 16, 64) == 0)
      machine.manager.forEachMapping { _ in runtimeHeapFree(pointer) }
    }
    let said = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(said.contains("free in an NMI that has interrupted the memory manager"), "\(said)")
  }
}
