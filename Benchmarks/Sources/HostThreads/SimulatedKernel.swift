internal import KernelMemory
internal import MachineSimulator
internal import Synchronization

/// When what was freed may be used again, as a type, so that each mode is compiled for itself.
protocol Mode {
  static var value: FreeMode { get }
}

enum Warm: Mode { static let value = FreeMode.warm }
enum Lazy: Mode { static let value = FreeMode.lazy }

/// The package on a simulated machine. No step hook is set: the core runs as fast as it can, and a flush that
/// it asks another CPU for is served between that CPU's pairs.
final class SimulatedKernel<Lock: GlobalLock, When: Mode>: Contestant {
  private static var range: PageRange {
    PageRange(from: PageNumber(0xf_fffc_9000_0000), upTo: PageNumber(0xf_fffe_9000_0000))
  }

  private let simulated: SimulatedMachine
  let manager: MemoryManager
  private let wiring: Wiring
  private let lock = Lock()

  init(cpus: Int, liveAreas: Int) throws {
    simulated = try SimulatedMachine(
      ram: [RAMRegion(PhysicalAddress(0), byteCount: 512 << 20)], cpuCount: cpus)
    wiring = Wiring(simulated.machine)
    let bootstrap = try Bootstrap(
      memoryMap: simulated.memoryMap, window: simulated.linearMap, linearMap: simulated.linearMap,
      format: .x86_64(hasGigabyteLeaves: true))
    let root = bootstrap.root
    try simulated.loadRoot(root)
    manager = try bootstrap.start(
      on: wiring.machine, vmallocRange: Self.range, mode: When.value)
    try occupy(liveAreas)
    for cpu in 1..<max(cpus, 1) {
      try simulated.onCPU(cpu) {
        try simulated.loadRoot(root)
        manager.joinCPU()
      }
    }
  }

  /// While one CPU alone takes part, so that no other has to serve its flushes.
  private func occupy(_ liveAreas: Int) throws {
    let pointers = try (0..<2 * liveAreas).map { _ in try manager.vmalloc(4096) }
    for pointer in pointers.enumerated() where pointer.offset % 2 == 1 { try manager.vfree(pointer.element) }
    // The first CPU's caches would otherwise begin full of areas that nobody asks for.
    try manager.flushRetired()
  }

  func play(_ cpu: Int, _ body: () throws -> Void) rethrows { try simulated.onCPU(cpu, body) }

  @inline(__always)
  func pair(_ pages: Int, on cpu: Int) throws {
    let pointer = try locked(cpu) { () throws(MemoryError) in try manager.vmalloc(pages &* 4096) }
    try locked(cpu) { () throws(MemoryError) in try manager.vfree(pointer) }
  }

  @inline(__always)
  private func locked<Result>(
    _ cpu: Int, _ body: () throws(MemoryError) -> Result
  ) throws(MemoryError) -> Result {
    lock.acquire { poll(cpu) }
    defer { lock.release() }
    return try body()
  }

  @inline(__always)
  func poll(_ cpu: Int) {
    if wiring.pending[cpu].takes() { manager.serveFlushes() }
  }
}

/// The simulated machine with interrupts that stay pending until the thread of their CPU looks for them: the
/// machine's own would be taken at once, on the thread that sends them.
private final class Wiring {
  let pending: [Pending]
  private let inner: Machine

  init(_ inner: Machine) {
    self.inner = inner
    pending = (0..<inner.cpuCount).map { _ in Pending() }
  }

  /// The value does not keep this object alive.
  var machine: Machine {
    var machine = inner
    machine.context = Unmanaged.passUnretained(self).toOpaque()
    machine.flush = { context, ranges, count in
      let inner = Wiring.from(context).inner
      inner.flush(inner.context, ranges, count)
    }
    if inner.check != nil {
      machine.check = { context, tables in
        let inner = Wiring.from(context).inner
        guard let check = inner.check else { fatalError("a check that there was is gone") }
        return check(inner.context, tables)
      }
    }
    if inner.cpuCount > 1 {
      machine.notify = { context, cpu in Wiring.from(context).pending[Int(cpu)].set() }
    }
    return machine
  }

  private static func from(_ context: UnsafeMutableRawPointer?) -> Wiring {
    guard let context else { fatalError("a call of the machine without its context") }
    return Unmanaged<Wiring>.fromOpaque(context).takeUnretainedValue()
  }
}

/// One CPU's interrupt.
private final class Pending {
  private let isSet = Atomic<Bool>(false)

  func set() { isSet.store(true, ordering: .releasing) }

  @inline(__always)
  func takes() -> Bool {
    isSet.load(ordering: .relaxed) && isSet.exchange(false, ordering: .acquiringAndReleasing)
  }
}
