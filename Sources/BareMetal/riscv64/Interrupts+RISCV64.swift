#if arch(riscv64)

private import CBareMetal
private import CMachine

/// Lets this hart take interrupts.
public func enableInterrupts() { riscv_enable_interrupts() }

/// Keeps interrupts from this hart.
public func disableInterrupts() { riscv_disable_interrupts() }

/// Lets this hart take interrupts and sleeps until the next one; call with interrupts off. One that came
/// meanwhile ends the sleep at once: WFI goes on where an interrupt waits that `sie` permits, masked or not
/// (Privileged Architecture, 3.3.3).
public func waitForInterrupt() {
  riscv_wfi()
  riscv_enable_interrupts()
}

/// A turn of a loop that waits for another hart.
public func relax() { cmachine_relax() }

/// Has each turn of a wait, the core's included, end this hart's turn where an emulator runs all harts in one
/// thread: QEMU does so with -icount, and goes on with another hart at a WFI alone, not at a PAUSE. Elsewhere
/// waits take longer by it. The hart must have Sstc.
public func endTurnInWaits() { cmachine_set_relax_hook(riscv_end_turn) }

#endif
