import ACPI
import BareMetal
import CKernel
import CMachine
import KernelMemory

// Starting the other CPUs
//
// One at a time: a CPU gets its stacks and its block, is reset by an INIT, and begins at the trampoline
// after a start-up interrupt (start_cpu.S; Intel SDM vol. 3A, 9.4.4 for the order and the times). It
// loads the kernel's tables, joins the manager, says that it is online, and waits for work. One that
// does not come ends the run: it might still come later, on a stack that another one has by then.
//
// Stacks and blocks are areas of `vmalloc`, in a range of their own: below each stack lies the guard of the
// area before it, and nothing of them is among the areas that the job reports. They lie in the
// lower half, as all that may hold an object of Swift (AddressSpace.swift).

/// The CPUs of this machine.
enum Processors {
  /// CPUs that take part, this one included. Written once, with one CPU running.
  static var count: Int { unsafe online }
  nonisolated(unsafe) private static var online = 1

  /// The range of the other CPUs' stacks and blocks; nil where there is no other CPU.
  static var areas: ArenaID? { unsafe madeAreas }
  nonisolated(unsafe) private static var madeAreas: ArenaID?

  /// This CPU's local APIC; to be used only once there are several CPUs, or `mapLocalAPIC` was called.
  static var localAPIC: LocalAPIC { LocalAPIC(at: AddressSpace.localAPIC.first.address(.size4K)) }

  /// Starts every CPU of the plan but this one.
  static func start(_ plan: ProcessorPlan, on manager: MemoryManager) {
    guard let others = plan.others else { return }
    do throws(MemoryError) {
      let areas = try manager.makeAreas(AddressSpace.processorRange)
      unsafe madeAreas = areas
      let memory = try ProcessorMemory(in: areas, of: manager)
      let own = CPUBlock.current.apicID
      for index in 0..<others.list.count where others.list[index] != own {
        try start(others.list[index], number: count, memory, others.trampoline)
        unsafe online += 1
      }
    } catch {
      panic { console in
        console.write("no memory to start the other CPUs with: ")
        console.write(error)
      }
    }
  }

  /// Maps the registers of the local APICs, and switches this CPU's on.
  static func mapLocalAPIC(at address: PhysicalAddress, on manager: MemoryManager) throws(MemoryError) {
    try manager.map(
      AddressSpace.localAPIC, to: address.number(.size4K),
      MappingAttributes(.readWrite, cache: .uncached))
    localAPIC.enable(spuriousVector: InterruptVector.spurious)
  }

  private static func start(
    _ id: UInt8, number: Int, _ memory: ProcessorMemory, _ trampoline: FrameNumber
  ) throws(MemoryError) {
    let block = try memory.prepare(number: number, apicID: id)
    withoutInterrupts { localAPIC.initialize(id) }
    IntervalTimer.wait(microseconds: 10_000)
    withoutInterrupts { localAPIC.startUp(id, at: trampoline) }
    wait(for: block, microseconds: 200)
    // For a CPU that missed the first.
    if !block.isOnline { withoutInterrupts { localAPIC.startUp(id, at: trampoline) } }
    wait(for: block, microseconds: 1_000_000)
    guard block.isOnline else {
      panic { console in
        console.write("the CPU whose local APIC has ID ")
        console.write(decimal: UInt64(id))
        console.write(" does not start")
      }
    }
  }

  private static func wait(for block: CPUBlock, microseconds: UInt32) {
    var left = microseconds
    while left > 0, !block.isOnline {
      IntervalTimer.wait(microseconds: 100)
      left -= 100
    }
  }
}

// MARK: - Interrupts between CPUs

extension Processors {
  /// Stops every other CPU, whether it has interrupts on or off, and waits a moment for them to stop.
  static func stopOthers() {
    guard count > 1 else { return }
    localAPIC.interruptOthersUnmasked()
    for _ in 0..<1_000 where !othersAreStopped { IntervalTimer.wait(microseconds: 10) }
  }

  private static var othersAreStopped: Bool {
    let own = LocalAPIC.initialID
    for number in 0..<count {
      if let block = CPUBlock(number: number), block.apicID != own, !block.isStopped { return false }
    }
    return true
  }

  /// Makes another CPU call `serveFlushes`; the manager calls this, with interrupts off.
  static func notify(_ number: UInt32) {
    guard let other = CPUBlock(number: Int(number)) else { return }
    CPUBlock.current.countNotificationSent()
    localAPIC.interrupt(other.apicID, vector: InterruptVector.flush)
  }

  /// Wakes another CPU that waits for work.
  static func wake(_ block: CPUBlock) {
    withoutInterrupts { localAPIC.interrupt(block.apicID, vector: InterruptVector.wake) }
  }

  static func withoutInterrupts(_ body: () -> Void) {
    let state = cmachine_interrupts_disable()
    body()
    cmachine_interrupts_restore(state)
  }
}

// MARK: - The other CPUs' side

/// Called by start_cpu.S on a CPU that has just started, with interrupts off.
@c(Kernel_cpu_main)
public func cpuMain() -> Never {
  do throws(MissingFeature) {
    try PagingControls.prepare()
  } catch {
    panic { console in
      console.write("one of the CPUs lacks ")
      console.write(error.name)
    }
  }
  ProcessorProtection.enable()
  guard let manager = Memory.manager else { panic("a CPU starts before the memory manager") }
  Processors.localAPIC.enable(spuriousVector: InterruptVector.spurious)
  manager.joinCPU()
  let block = CPUBlock.current
  block.isOnline = true
  Work.serve(block, on: manager)
}
