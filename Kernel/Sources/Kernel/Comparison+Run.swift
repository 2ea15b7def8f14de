import BareMetal
import BootReplay
import KernelMemory

extension Options {
  /// Compares kmalloc with vmalloc in this run's mode. The time-stamp counter counts instructions under
  /// QEMU's `-icount`, as in the bench.
  func runComparison(on manager: MemoryManager, reportingTo console: inout SerialPort) -> ExitStatus {
    do throws(MemoryError) {
      try Comparison(on: manager, mode: mode).run(clock: { Platform.instructions }, reportingTo: &console)
      return .success
    } catch {
      console.write("an allocation that was to be compared was refused: ")
      console.write(error)
      console.newline()
      return .jobFailed
    }
  }
}
