import BareMetal
import KernelMemory

/// What all CPUs do together when the first one says so.
enum Work: UInt {
  case stress = 1
  case interruptTest = 2
  case swiftHeapTest = 3
  case contention = 4
  case counting = 5

  private func run(on manager: MemoryManager) {
    switch self {
    case .stress: Stress.runOnThisCPU(manager)
    case .interruptTest: InterruptTest.runOnThisCPU(manager)
    case .swiftHeapTest: SwiftHeapTest.runOnThisCPU()
    case .contention: Contention.runOnThisCPU()
    case .counting: Scenario.count()
    }
  }

  /// Lets every other CPU begin with the work.
  func begin() {
    for number in 1..<Processors.count {
      guard let block = CPUBlock(number: number) else { continue }
      block.work = self
      Processors.wake(block)
    }
  }

  /// Does the work on every CPU, this one included, and returns when all have done it.
  func runEverywhere(on manager: MemoryManager) {
    begin()
    run(on: manager)
    for number in 1..<Processors.count {
      while CPUBlock(number: number)?.work != nil { relax() }
    }
  }

  /// The life of every CPU but the first. It sleeps between interrupts, and so serves flush requests;
  /// whether there is work is asked with interrupts off, so that no call to it is slept through.
  static func serve(_ block: CPUBlock, on manager: MemoryManager) -> Never {
    while true {
      disableInterrupts()
      if let work = block.work {
        enableInterrupts()
        work.run(on: manager)
        block.work = nil
      } else {
        waitForInterrupt()
      }
    }
  }
}
