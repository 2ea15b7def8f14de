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
      try RuntimeHeap.start(on: machine.manager, window: machine.window)
      precondition(runtimeHeapAllocate(&pointer, 16, 64) == 0 && pointer != nil)
      var other: UnsafeMutableRawPointer?
      precondition(runtimeHeapAllocate(&other, 3, 64) == 22 && other == nil)
      precondition(runtimeHeapAllocate(&other, 8192, 64) == 12 && other == nil)
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
}
