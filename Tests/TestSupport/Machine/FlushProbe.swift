import CMachine
import MachineSimulator

@testable import KernelMemory

/// A started manager whose machine asks a closure at each flush: what has happened by then, and whether
/// the flush is to be carried out or lost.
final class FlushProbe {
  let test: TestMachine
  /// Asked before the CPUs forget anything; false drops the flush.
  var atFlush: () -> Bool = { true }
  private(set) var flushes = 0

  init(_ test: TestMachine) {
    self.test = test
    test.manager.machine.value.context = Unmanaged.passUnretained(self).toOpaque()
    test.manager.machine.value.flush = { context, ranges, count in
      guard let context else { return }
      Unmanaged<FlushProbe>.fromOpaque(context).takeUnretainedValue().flush(ranges, count)
    }
  }

  private func flush(_ ranges: UnsafePointer<cmachine_range>?, _ count: Int) {
    flushes += 1
    guard atFlush() else { return }
    let machine = test.simulated.machine
    machine.flush(machine.context, ranges, count)
  }
}
