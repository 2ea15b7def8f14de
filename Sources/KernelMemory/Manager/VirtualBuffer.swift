/// Memory from `vmalloc` that frees itself: it cannot be copied, so it cannot be freed twice, and when its
/// owner goes it goes. A `deinit` frees as `vfree` does: it allocates nothing, and waits for other CPUs in
/// strict mode alone, and there only with interrupts on. In an NMI that has interrupted this package the area
/// is put aside, which is counted (`Counter.freesDeferred`), and the next purge frees it. Memory that was
/// freed by its address is no longer the buffer's, even where the address was handed out again: the buffer
/// frees none but its own.
@frozen @safe
public struct VirtualBuffer: ~Copyable {
  private let manager: MemoryManager
  private let start: UnsafeMutableRawPointer
  /// The area's generation, which it has from when it is handed out until it is freed.
  private let generation: UInt64
  /// The bytes that were asked for.
  public let byteCount: Int

  /// Allocates as `vmalloc` does.
  public init(
    byteCount: Int, from manager: MemoryManager, _ options: VmallocOptions = VmallocOptions()
  ) throws(MemoryError) {
    unsafe start = try manager.vmalloc(byteCount, options)
    generation = unsafe manager.generation(of: VirtualAddress(start))
    self.manager = manager
    self.byteCount = byteCount
  }

  /// Allocates as `vzalloc` does.
  public init(
    zeroedByteCount byteCount: Int, from manager: MemoryManager, _ options: VmallocOptions = VmallocOptions()
  ) throws(MemoryError) {
    unsafe start = try manager.vzalloc(byteCount, options)
    generation = unsafe manager.generation(of: VirtualAddress(start))
    self.manager = manager
    self.byteCount = byteCount
  }

  deinit { release() }

  /// Frees the memory now; in an NMI that has interrupted this package the next purge does.
  /// - Throws: `badFree` where somebody has freed it by its address meanwhile.
  public consuming func vfree() throws(MemoryError) {
    let (manager, address, generation) = (manager, address, generation)
    discard self
    try Self.free(address, in: generation, of: manager)
  }

  /// Gives up ownership: the caller frees the memory by its address.
  public consuming func leak() -> UnsafeMutableRawPointer {
    let start = unsafe start
    discard self
    return unsafe start
  }

  private func release() {
    // Where the memory was freed by its address, the manager has counted that.
    try? Self.free(address, in: generation, of: manager)
  }

  private static func free(
    _ address: VirtualAddress, in generation: UInt64, of manager: MemoryManager
  ) throws(MemoryError) {
    do throws(MemoryError) {
      try manager.freeSlow(address, in: generation)
    } catch {
      guard case .wrongContext = error else { throw error }
      manager.freeLater(address, in: generation)
    }
  }

  /// The address of the first byte.
  public var address: VirtualAddress { unsafe VirtualAddress(start) }

  /// The bytes, for as long as the buffer is borrowed.
  public var bytes: RawSpan {
    @_lifetime(borrow self)
    get { unsafe _overrideLifetime(RawSpan(_unsafeStart: start, byteCount: byteCount), borrowing: self) }
  }

  /// The bytes, to write to, for as long as the buffer is held exclusively. The span is put into a variable
  /// first, on which `storeBytes(of:toByteOffset:as:)` is called. As with `bytes`, the caller's own
  /// instructions go there: in a process, with a simulated machine, that crashes (`SimulatedMachine.store` at
  /// `address` does not).
  public var mutableBytes: MutableRawSpan {
    @_lifetime(&self)
    mutating get {
      unsafe _overrideLifetime(
        MutableRawSpan(_unsafeStart: start, byteCount: byteCount), mutating: &self)
    }
  }
}
