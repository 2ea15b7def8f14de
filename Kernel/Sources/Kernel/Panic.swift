import BareMetal
import KernelMemory

/// Says why the kernel cannot go on, and ends the run.
func panic(_ message: StaticString) -> Never {
  panic { console in console.write(message) }
}

/// Lets `body` say why the kernel cannot go on, and ends the run.
func panic(_ body: (inout SerialPort) -> Void) -> Never {
  var console = SerialPort.com1
  console.write("panic: ")
  body(&console)
  console.newline()
  exit(.panic)
}
