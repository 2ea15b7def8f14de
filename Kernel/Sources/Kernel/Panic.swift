import BareMetal
import CKernel
import KernelMemory

/// Which CPU says why the run ends. Several may have a reason at once; the first one is heard, and none of
/// the others goes on: what they would change, or print, is no part of what was found wrong.
enum LastWords {
  /// What hardware calls the CPU, plus one; zero while all is well. Not the CPU's number: that is found
  /// through a pointer, and may be what is wrong.
  nonisolated(unsafe) private static var speaker: UInt = 0

  private static var own: UInt { UInt(Platform.hardwareID) + 1 }

  /// Whether nobody has begun.
  static var isSilent: Bool { unsafe kernel_load_word(&speaker) == 0 }

  /// Returns on one CPU alone and stops the others; false where this one has begun before.
  static func begin() -> Bool {
    disableInterrupts()
    if unsafe kernel_exchange_word(&speaker, 0, own) {
      Processors.stopOthers()
      return true
    }
    guard unsafe kernel_load_word(&speaker) == own else { stop() }
    return false
  }

  /// Of an NMI: stops this CPU where another one has begun.
  static func stopIfBegun() {
    let speaker = unsafe kernel_load_word(&speaker)
    if speaker != 0, speaker != own { stop() }
  }

  private static func stop() -> Never {
    CPUBlock.current.isStopped = true
    haltForever()
  }
}

/// Says why the kernel cannot go on, and ends the run.
func panic(_ message: StaticString) -> Never {
  panic { console in console.write(message) }
}

/// Lets `body` say why the kernel cannot go on, and ends the run.
func panic(_ body: (inout SerialPort) -> Void) -> Never {
  _ = LastWords.begin()
  var console = SerialPort.console
  console.write("panic: ")
  body(&console)
  console.newline()
  exit(.panic)
}
