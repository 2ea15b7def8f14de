import CBareMetal
import CKernel

/// Ends the emulator, by semihosting, with the process status that the kernel of x86-64 has for the same
/// (ExitStatus.swift); on a machine without, halts.
func exit(_ status: ExitStatus) -> Never {
  kernel_exit(UInt(status.rawValue) << 1 | 1)
}

/// Stops this CPU.
func haltForever() -> Never {
  arm64_disable_interrupts()
  while true { arm64_wfi() }
}
