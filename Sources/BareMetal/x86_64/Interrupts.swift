#if arch(x86_64)

private import CBareMetal

/// Lets this CPU take interrupts.
public func enableInterrupts() { x86_enable_interrupts() }

/// Keeps interrupts from this CPU.
public func disableInterrupts() { x86_disable_interrupts() }

/// Lets this CPU take interrupts and sleeps until the next one; call with interrupts off. One that came
/// meanwhile ends the sleep at once.
public func waitForInterrupt() { x86_enable_interrupts_and_halt() }

/// A turn of a loop that waits for another CPU.
public func relax() { x86_pause() }

#endif
