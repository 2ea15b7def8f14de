import CBareMetal
import CKernel
import KernelMemory

/// Ends the emulator, by the device that SiFive's tests end with, with the process status that the kernel of
/// x86-64 has for the same (ExitStatus.swift); on a machine without, halts.
func exit(_ status: ExitStatus) -> Never {
  riscv_mmio_write32(
    unsafe Devices.exit.start, (UInt32(status.rawValue) << 1 | 1) << 16 | 0x3333)
  haltForever()
}

/// Stops this hart.
func haltForever() -> Never {
  riscv_disable_interrupts()
  riscv_clear_sie(.max)
  while true { riscv_wfi() }
}
