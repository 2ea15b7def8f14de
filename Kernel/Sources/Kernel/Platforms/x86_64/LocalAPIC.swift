import CBareMetal
import KernelMemory

// The local APIC: each CPU's own interrupt controller, by which CPUs interrupt each other, with a
// timer. Its registers are memory (xAPIC mode; Intel SDM vol. 3A, 12.4.1, table 12-1): at the same
// address on every CPU, where each finds its own. They are mapped uncached, by whoever makes a value of
// this type.

/// This CPU's local APIC.
@safe
struct LocalAPIC {
  private let base: UInt

  /// The registers are mapped at `address`.
  init(at address: VirtualAddress) { base = UInt(address.rawValue) }

  enum Register: UInt {
    case id = 0x20
    case endOfInterrupt = 0xb0
    case spuriousVector = 0xf0
    case interruptCommandLow = 0x300
    case interruptCommandHigh = 0x310
    case timer = 0x320
    case initialCount = 0x380
    case currentCount = 0x390
    case divideConfiguration = 0x3e0
  }

  subscript(register: Register) -> UInt32 {
    get { x86_mmio_read32(base &+ register.rawValue) }
    nonmutating set { x86_mmio_write32(base &+ register.rawValue, newValue) }
  }
}

// MARK: - This CPU's

extension LocalAPIC {
  /// IA32_APIC_BASE (Intel SDM vol. 3A, 12.4.4).
  private static var baseRegister: UInt32 { 0x1b }

  private enum BaseBit {
    static var x2APIC: UInt { 1 << 10 }
    static var enabled: UInt { 1 << 11 }
  }

  /// The ID that this CPU's had after the reset, by CPUID.01H:EBX: it can be asked before anything is mapped.
  static var initialID: UInt8 { UInt8(truncatingIfNeeded: x86_cpuid(1, 0).ebx &>> 24) }

  /// Whether this CPU has one (CPUID.01H:EDX.APIC).
  static var isPresent: Bool { x86_cpuid(1, 0).edx & 1 << 9 != 0 }

  /// Where this CPU's registers are, or nil where they are no memory: firmware has chosen x2APIC mode, out
  /// of which there is no way but a reset, or has switched the APIC off.
  static var physicalAddress: PhysicalAddress? {
    let value = x86_read_msr(baseRegister)
    guard value & (BaseBit.enabled | BaseBit.x2APIC) == BaseBit.enabled else { return nil }
    return PhysicalAddress(UInt64(value) & 0x000f_ffff_ffff_f000)
  }

  /// Lets it take interrupts. `spuriousVector` is what it raises when an interrupt went away meanwhile
  /// (Intel SDM vol. 3A, 12.9); that one is not to be acknowledged.
  func enable(spuriousVector: UInt8) {
    self[.spuriousVector] = 1 << 8 | UInt32(spuriousVector)
  }

  /// Its ID, by which other CPUs address it.
  var id: UInt8 { UInt8(truncatingIfNeeded: self[.id] &>> 24) }

  /// The handler of an interrupt has done its work.
  func acknowledge() { self[.endOfInterrupt] = 0 }
}

// MARK: - Other CPUs

extension LocalAPIC {
  /// The interrupt command register's delivery modes and flags (Intel SDM vol. 3A, 12.6.1).
  private enum Command {
    static var fixed: UInt32 { 0 }
    static var nonMaskable: UInt32 { 4 << 8 }
    static var initialize: UInt32 { 5 << 8 }
    static var startUp: UInt32 { 6 << 8 }
    static var isPending: UInt32 { 1 << 12 }
    static var assert: UInt32 { 1 << 14 }
    static var levelTriggered: UInt32 { 1 << 15 }
    static var allOthers: UInt32 { 3 << 18 }
  }

  /// Raises `vector` on the CPU whose APIC has `id`. Call with interrupts off: the command takes two
  /// writes.
  func interrupt(_ id: UInt8, vector: UInt8) {
    send(Command.fixed | Command.assert | UInt32(vector), to: id)
  }

  /// Raises an NMI on every other CPU, whether it has interrupts on or off. Call with interrupts off.
  func interruptOthersUnmasked() {
    send(Command.nonMaskable | Command.assert | Command.allOthers, to: 0)
  }

  /// Resets a CPU; it then waits for `startUp`.
  func initialize(_ id: UInt8) {
    send(Command.initialize | Command.assert | Command.levelTriggered, to: id)
    send(Command.initialize | Command.levelTriggered, to: id)
  }

  /// Starts a CPU that waits, in real mode, at the beginning of `page`, which is below 1 MiB. One that runs
  /// takes no notice.
  func startUp(_ id: UInt8, at page: FrameNumber) {
    send(Command.startUp | Command.assert | UInt32(truncatingIfNeeded: page.rawValue & 0xff), to: id)
  }

  private func send(_ command: UInt32, to id: UInt8) {
    waitUntilSent()
    self[.interruptCommandHigh] = UInt32(id) << 24
    self[.interruptCommandLow] = command
    waitUntilSent()
  }

  private func waitUntilSent() {
    while self[.interruptCommandLow] & Command.isPending != 0 { x86_pause() }
  }
}
