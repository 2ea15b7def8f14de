#if arch(arm64)

private import CBareMetal

/// Lets this CPU take interrupts.
public func enableInterrupts() { arm64_enable_interrupts() }

/// Keeps interrupts from this CPU.
public func disableInterrupts() { arm64_disable_interrupts() }

/// Lets this CPU take interrupts and sleeps until the next one; call with interrupts off. One that came
/// meanwhile ends the sleep at once: WFI ends with an interrupt that waits, masked or not (Arm ARM, D1.6.2).
public func waitForInterrupt() {
  arm64_dsb_sy()
  arm64_wfi()
  arm64_enable_interrupts()
}

/// A turn of a loop that waits for another CPU.
public func relax() { arm64_yield() }

#endif
