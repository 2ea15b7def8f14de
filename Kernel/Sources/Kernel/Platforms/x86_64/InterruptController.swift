import KernelMemory

/// The interrupt controllers of the CPUs, by which they interrupt each other: local APICs.
enum InterruptController {
  /// This CPU's local APIC; to be used only once it is mapped.
  static var localAPIC: LocalAPIC { LocalAPIC(at: AddressSpace.devices.first.address(.size4K)) }

  /// Maps the registers, where there are several CPUs, and switches this CPU's on.
  static func map(for plan: ProcessorPlan, on manager: MemoryManager) throws(MemoryError) {
    if let others = plan.others { try map(at: others.localAPIC, on: manager) }
  }

  /// Each CPU finds its own there.
  static func map(at address: PhysicalAddress, on manager: MemoryManager) throws(MemoryError) {
    let first = AddressSpace.devices.first
    try manager.map(
      PageRange(from: first, upTo: PageNumber(first.rawValue + 1)), to: address.number(.size4K),
      MappingAttributes(.readWrite, cache: .uncached))
    enable()
  }

  /// Has this CPU take interrupts.
  static func enable() { localAPIC.enable(spuriousVector: InterruptVector.spurious) }

  /// Makes another CPU call `serveFlushes`. Call with interrupts off.
  static func notify(_ block: CPUBlock) {
    localAPIC.interrupt(UInt8(truncatingIfNeeded: block.hardwareID), vector: InterruptVector.flush)
  }

  /// Ends another CPU's sleep. Call with interrupts off.
  static func wake(_ block: CPUBlock) {
    localAPIC.interrupt(UInt8(truncatingIfNeeded: block.hardwareID), vector: InterruptVector.wake)
  }

  /// Stops all others, whether they have interrupts on or off.
  static func stopOthers() { localAPIC.interruptOthersUnmasked() }
}
