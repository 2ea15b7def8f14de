public import KernelMemory

/// Why the heap does not start. Nothing has changed then.
public enum RuntimeHeapError: Error, Equatable, Sendable {
  /// Addresses of the window have bit 63 set; this is the first one's.
  case windowHasBit63(VirtualAddress)
  /// The window begins at address zero, and page zero is mapped, where a null pointer must fault.
  case windowAtZero
  /// The window ends below RAM that the manager hands out; this is the first such RAM.
  case windowTooSmall(PhysicalAddress)
  /// The page tables do not lead from this address of the window, writable and not executable, to the RAM
  /// that belongs there.
  case windowNotMapped(VirtualAddress)
  /// There is one already, and its objects are live.
  case alreadyStarted
  /// The manager refused what the heap needs for itself.
  case memory(MemoryError)
}

extension RuntimeHeapError {
  /// Writes what is wrong, why it matters, and what to do.
  public func writeExplanation(to sink: inout some TextSink) {
    switch self {
    case .windowHasBit63(let address):
      sink.write("the object window has addresses with bit 63 set, from 0x")
      sink.write(hex: address.rawValue)
      sink.write(
        """
        : Embedded Swift takes an object at such an address for one that is never freed, so that deinits \
        do not run and arrays share what they should copy; map all RAM a second time, in the lower half
        """)
    case .windowAtZero:
      sink.write(
        "the object window begins at address zero, where a null pointer must fault, and page zero is mapped")
    case .windowTooSmall(let address):
      sink.write("the object window does not reach the RAM at physical 0x")
      sink.write(hex: address.rawValue)
      sink.write(": an object could lie there")
    case .windowNotMapped(let address):
      sink.write("the object window has no writable, not executable mapping of its RAM at 0x")
      sink.write(hex: address.rawValue)
      sink.write(": map it before the manager starts, with Bootstrap.mapMemory(in:)")
    case .alreadyStarted: sink.write("the Swift runtime has a heap already")
    case .memory(let error): sink.write(error)
    }
  }
}
