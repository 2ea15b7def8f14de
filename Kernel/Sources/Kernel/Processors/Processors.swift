import BareMetal
import CKernel
import CMachine
import KernelMemory

// Starting the other CPUs
//
// One at a time: a CPU gets its stacks and its block, and is started (Platforms/). It loads the kernel's
// tables, joins the manager, says that it is online, and waits for work. One that does not come ends the run:
// it might still come later, on a stack that another one has by then.
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

  /// Starts every CPU of the plan but this one.
  static func start(_ plan: ProcessorPlan, on manager: MemoryManager) {
    guard plan.count > 1 else { return }
    do throws(MemoryError) {
      let areas = try manager.makeAreas(AddressSpace.processorRange)
      unsafe madeAreas = areas
      let memory = try ProcessorMemory(in: areas, of: manager)
      for index in 0..<plan.count where plan.hardwareID(index) != Platform.hardwareID {
        try start(plan.hardwareID(index), number: count, memory, plan)
        unsafe online += 1
      }
    } catch {
      panic { console in
        console.write("no memory to start the other CPUs with: ")
        console.write(error)
      }
    }
  }

  /// Gives up the run for a CPU that does not come.
  static func panicForSilent(_ id: UInt64) -> Never {
    panic { console in
      console.write("the CPU that hardware calls ")
      console.write(decimal: id)
      console.write(" does not start")
    }
  }

  static func wait(for block: CPUBlock, microseconds: UInt32) {
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
    InterruptController.stopOthers()
    for _ in 0..<1_000 where !othersAreStopped { IntervalTimer.wait(microseconds: 10) }
  }

  private static var othersAreStopped: Bool {
    let own = Platform.hardwareID
    for number in 0..<count {
      if let block = CPUBlock(number: number), block.hardwareID != own, !block.isStopped { return false }
    }
    return true
  }

  /// Makes another CPU call `serveFlushes`; the manager calls this, with interrupts off.
  static func notify(_ number: UInt32) {
    guard let other = CPUBlock(number: Int(number)) else { return }
    CPUBlock.current.countNotificationSent()
    InterruptController.notify(other)
  }

  /// Wakes another CPU that waits for work.
  static func wake(_ block: CPUBlock) {
    withoutInterrupts { InterruptController.wake(block) }
  }

  static func withoutInterrupts(_ body: () -> Void) {
    let state = cmachine_interrupts_disable()
    body()
    cmachine_interrupts_restore(state)
  }
}

// MARK: - The other CPUs' side

/// Called by the code that a CPU begins with, with interrupts off.
@c(Kernel_cpu_main)
public func cpuMain() -> Never {
  prepareCPU()
  Platform.beginOnOtherCPU()
  guard let manager = Memory.manager else { panic("a CPU starts before the memory manager") }
  InterruptController.enable()
  manager.joinCPU()
  let block = CPUBlock.current
  block.isOnline = true
  Work.serve(block, on: manager)
}
