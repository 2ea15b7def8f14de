import BareMetal
import CKernel
import CMachine
import KernelMemory

/// Which CPU says why the run ends. Several may have a reason at once; the first one is heard.
enum LastWords {
  /// The number of the CPU, plus one; zero while all is well.
  nonisolated(unsafe) private static var speaker: UInt = 0

  /// Returns on one CPU alone and stops the others; false where this one has begun before.
  static func begin() -> Bool {
    let own = UInt(cmachine_cpu_number()) + 1
    if unsafe kernel_exchange_word(&speaker, 0, own) { return true }
    guard unsafe kernel_load_word(&speaker) == own else { haltForever() }
    return false
  }
}

/// Says why the kernel cannot go on, and ends the run.
func panic(_ message: StaticString) -> Never {
  panic { console in console.write(message) }
}

/// Lets `body` say why the kernel cannot go on, and ends the run.
func panic(_ body: (inout SerialPort) -> Void) -> Never {
  _ = LastWords.begin()
  var console = SerialPort.com1
  console.write("panic: ")
  body(&console)
  console.newline()
  exit(.panic)
}
