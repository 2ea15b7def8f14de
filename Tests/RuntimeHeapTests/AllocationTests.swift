import KernelMemory
@testable import RuntimeHeap
import Testing

@Suite struct AllocationTests {
  private func failure(_ heap: RuntimeHeap, _ byteCount: Int, alignment: Int) -> RuntimeHeap.Failure? {
    do throws(RuntimeHeap.Failure) {
      let pointer = try heap.allocate(byteCount, alignment: alignment)
      #expect(throws: Never.self) { try heap.deallocate(pointer) }
      return nil
    } catch {
      return error
    }
  }

  /// Every alignment, with sizes around the borders of kmalloc's classes and orders: the address has it,
  /// lies in the window, and is that of memory which is large enough and nobody else's.
  @Test(arguments: [SlabHardening.none, .hardened(secret: 7), .checked(secret: 7)])
  func everyAlignmentUpToTheLargestBlockIsKept(_ hardening: SlabHardening) throws {
    let machine = try HeapMachine(hardening: hardening)
    let heap = try RuntimeHeap(on: machine.manager, window: machine.window)
    for shift in 3...22 {
      let alignment = 1 << shift
      try heap.deallocate(try heap.allocate(1, alignment: alignment))
      for power in shift > 14 ? 15...15 : 0...15 {
        for byteCount in max(0, (1 << power) - 1)...(1 << power) + 1 {
          let pointer = try heap.allocate(byteCount, alignment: alignment)
          let again = try heap.allocate(byteCount, alignment: alignment)
          let physical = machine.physical(pointer)
          #expect(UInt(bitPattern: pointer) % UInt(alignment) == 0)
          #expect(physical < machine.window.limit.rawValue)
          let linear = UnsafeMutableRawPointer(
            bitPattern: UInt(machine.simulated.linearMap.base.rawValue + physical))!
          #expect(machine.manager.ksize(of: linear)! >= byteCount)
          let distance = Int(bitPattern: again) - Int(bitPattern: pointer)
          #expect(abs(distance) >= byteCount)
          try heap.deallocate(again)
          try heap.deallocate(pointer)
        }
      }
    }
    #expect(heap.usage.allocations == heap.usage.frees && heap.usage.allocations > 900)
    #expect(heap.usage.liveBytes == 0)
    #expect(machine.manager.validate() == nil)
  }

  @Test func whatPOSIXRefusesIsRefused() throws {
    let machine = try HeapMachine()
    let heap = try RuntimeHeap(on: machine.manager, window: machine.window)
    for alignment in [0, 1, 2, 4, 12, 24, -8, 4097] {
      #expect(failure(heap, 64, alignment: alignment) == .badAlignment)
    }
    for alignment in [8 << 20, Int.min] {
      #expect(failure(heap, 64, alignment: alignment) == .outOfMemory)
    }
    #expect(failure(heap, (4 << 20) - 1, alignment: 4 << 20) == nil)
    #expect(failure(heap, (4 << 20) + 1, alignment: 1 << 20) == .outOfMemory)
    for byteCount in [(4 << 20) + 1, 1 << 31, Int.max, -1, Int.min] {
      #expect(failure(heap, byteCount, alignment: 16) == .outOfMemory)
    }
    #expect(failure(heap, 4 << 20, alignment: 16) == nil)
    #expect(failure(heap, 0, alignment: 8) == nil)
    #expect(RuntimeHeap.Failure.badAlignment.rawValue == 22 && RuntimeHeap.Failure.outOfMemory.rawValue == 12)
    #expect(heap.usage.liveObjects == 0)
  }

  @Test func objectsAreCountedAndCharged() throws {
    let machine = try HeapMachine(cpuCount: 2)
    let heap = try RuntimeHeap(on: machine.manager, window: machine.window)
    var pointers: [UnsafeMutableRawPointer] = []
    for index in 0..<100 { pointers.append(try heap.allocate(1 + index * 50, alignment: 16)) }
    #expect(heap.usage.allocations == 100 && heap.usage.frees == 0 && heap.usage.liveObjects == 100)
    #expect(heap.usage.liveBytes >= 100 * 2_475)
    #expect(heap.usage.liveBytes == machine.manager.usage(of: heap.tag).liveBytes)
    var text = Text()
    machine.manager.writeName(of: heap.tag, to: &text)
    #expect(text.string == "swift")
    // Half of them by another CPU than they came from.
    try machine.simulated.onCPU(1) {
      for pointer in pointers[..<50] { try heap.deallocate(pointer) }
    }
    #expect(heap.usage.liveObjects == 50)
    for pointer in pointers[50...] { try heap.deallocate(pointer) }
    try heap.deallocate(nil)
    #expect(heap.usage.frees == 100 && heap.usage.liveObjects == 0 && heap.usage.liveBytes == 0)
  }

  /// A wrong free changes nothing, and is not counted as one.
  @Test func wrongFreesAreRefused() throws {
    let machine = try HeapMachine()
    let heap = try RuntimeHeap(on: machine.manager, window: machine.window)
    let pointer = try heap.allocate(64, alignment: 16)
    let linear = UnsafeMutableRawPointer(
      bitPattern: UInt(machine.simulated.linearMap.base.rawValue + machine.physical(pointer)))
    let end = UnsafeMutableRawPointer(
      bitPattern: UInt(machine.window.base.rawValue + machine.window.limit.rawValue))
    #expect(throws: MemoryError.badFree(.interior)) { try heap.deallocate(pointer + 8) }
    #expect(throws: MemoryError.badFree(.foreign)) { try heap.deallocate(linear) }
    #expect(throws: MemoryError.badFree(.foreign)) { try heap.deallocate(end) }
    #expect(heap.usage.liveObjects == 1)
    try heap.deallocate(pointer)
    #expect(throws: MemoryError.badFree(.alreadyFree)) { try heap.deallocate(pointer) }
    #expect(heap.usage.frees == 1 && heap.usage.liveObjects == 0)
  }

  @Test func memoryThatIsShortIsSaidAndComesBack() throws {
    let machine = try HeapMachine(bytes: 8 << 20)
    let heap = try RuntimeHeap(on: machine.manager, window: machine.window)
    var pointers: [UnsafeMutableRawPointer] = []
    do throws(RuntimeHeap.Failure) {
      while true { pointers.append(try heap.allocate(4096, alignment: 16)) }
    } catch {
      #expect(error == .outOfMemory)
    }
    #expect(pointers.count > 1_000 && heap.usage.liveObjects == UInt64(pointers.count))
    for pointer in pointers { try heap.deallocate(pointer) }
    #expect(heap.usage.liveObjects == 0 && heap.usage.liveBytes == 0)
    #expect(failure(heap, 1 << 20, alignment: 4096) == nil)
  }

  /// What kmalloc has given to others is not the heap's to free, though it lies in the window as well.
  @Test(arguments: [64, 4_096, 65_536]) func anObjectOfAnotherTagIsRefused(byteCount: Int) throws {
    let machine = try HeapMachine()
    let heap = try RuntimeHeap(on: machine.manager, window: machine.window)
    var options = KmallocOptions()
    for tag in [KernelMemory.Tag.untagged, try machine.manager.makeTag(named: "driver")] {
      options.tag = tag
      let linear = try machine.manager.kmalloc(byteCount, options)
      let base = UInt(machine.simulated.linearMap.base.rawValue)
      let pointer = UnsafeMutableRawPointer(
        bitPattern: UInt(bitPattern: linear) - base + UInt(machine.window.base.rawValue))
      #expect(throws: MemoryError.badFree(.foreign)) { try heap.deallocate(pointer) }
      #expect(machine.manager.usage(of: tag).objectsFreed == 0)
      try machine.manager.kfree(linear)
    }
    #expect(machine.manager.validate() == nil)
  }

  /// A difference of sums that others move meanwhile is never below zero: frees may be seen, and not the
  /// allocations before them.
  @Test func usageIsNeverBelowZero() {
    var usage = RuntimeHeapUsage()
    usage.frees = 3
    usage.allocations = 2
    #expect(usage.liveObjects == 0)
    usage.allocations = 5
    #expect(usage.liveObjects == 2)
  }

  /// A Swift allocation may be under a lock for which another CPU spins: unless it is said that it is not,
  /// none is waited for.
  @Test(arguments: [false, true]) func noCPUIsWaitedForUnlessThatIsChosen(mayWait: Bool) throws {
    let machine = try HeapMachine(bytes: 8 << 20, cpuCount: 2)
    let heap =
      mayWait
      ? try RuntimeHeap(on: machine.manager, window: machine.window, mayWait: true)
      : try RuntimeHeap(on: machine.manager, window: machine.window)
    var pointers: [UnsafeMutableRawPointer] = []
    #expect(throws: RuntimeHeap.Failure.outOfMemory) {
      while true { pointers.append(try heap.allocate(4_096, alignment: 16)) }
    }
    #expect((machine.manager.counters[.notifications] > 0) == mayWait)
    for pointer in pointers { try heap.deallocate(pointer) }
  }
}
