import CBareMetal
import KernelMemory

// Arm's Generic Interrupt Controller: version 2 (Arm IHI 0048), of which each CPU has an interface of
// registers; or version 3 (IHI 0069), whose interface is system registers, and of which each CPU has a
// redistributor. Both have one distributor. Only what CPUs send each other and a timer of their own is used:
// IDs below 32, of which each CPU has its own. All are of group 1 with version 3, and of the only group that
// matters with version 2.

/// The interrupt controllers of the CPUs, by which they interrupt each other.
enum InterruptController {
  /// IDs of interrupts that CPUs send each other; and of the virtual timer (Arm BSA, PPI 27).
  static var wakeID: UInt32 { 1 }
  static var flushID: UInt32 { 0 }
  static var stopID: UInt32 { 2 }
  static var timerID: UInt32 { 27 }
  /// From here on an ID says that no interrupt is there.
  static var firstSpecialID: UInt32 { 1020 }

  /// Its registers are mapped with the other devices'.
  static func map(for _: ProcessorPlan, on _: MemoryManager) throws(MemoryError) { enable() }

  /// Has this CPU take interrupts.
  static func enable() {
    if unsafe Devices.hasGICv3 { GICv3.enable() } else { GICv2.enable() }
  }

  /// Makes another CPU call `serveFlushes`. Call with interrupts off.
  static func notify(_ block: CPUBlock) { send(flushID, to: block) }

  /// Ends another CPU's sleep. Call with interrupts off.
  static func wake(_ block: CPUBlock) { send(wakeID, to: block) }

  /// Stops all others, as soon as they have interrupts on.
  static func stopOthers() {
    arm64_dsb_ishst()
    if unsafe Devices.hasGICv3 { GICv3.sendToOthers(stopID) } else { GICv2.sendToOthers(stopID) }
  }

  /// What was stored is visible to the other CPU before the interrupt is.
  private static func send(_ id: UInt32, to block: CPUBlock) {
    arm64_dsb_ishst()
    if unsafe Devices.hasGICv3 {
      GICv3.send(id, to: block.hardwareID)
    } else {
      GICv2.send(id, to: block.hardwareID)
    }
  }

  /// The interrupt that this CPU is to handle now: what `end` is told, whose low bits are the ID.
  static func acknowledge() -> UInt32 {
    unsafe Devices.hasGICv3 ? GICv3.acknowledge() : GICv2.acknowledge()
  }

  /// Its handler has done its work.
  static func end(_ interrupt: UInt32) {
    if unsafe Devices.hasGICv3 { GICv3.end(interrupt) } else { GICv2.end(interrupt) }
  }
}

// MARK: - Version 2

private enum GICv2 {
  /// Offsets from the distributor, and from this CPU's interface (IHI 0048, 4.1).
  private enum Distributor {
    static var control: UInt { 0x000 }
    static var setEnable: UInt { 0x100 }
    static var priority: UInt { 0x400 }
    static var softwareInterrupt: UInt { 0xf00 }
  }

  private enum Interface {
    static var control: UInt { 0x00 }
    static var priorityMask: UInt { 0x04 }
    static var acknowledge: UInt { 0x0c }
    static var end: UInt { 0x10 }
  }

  private static var distributor: UInt { unsafe Devices.distributor.start }
  private static var interface: UInt { unsafe Devices.interface.start }

  static func enable() {
    for offset in stride(from: UInt(0), to: 32, by: 4) {
      arm64_mmio_write32(distributor + Distributor.priority + offset, 0x8080_8080)
    }
    arm64_mmio_write32(distributor + Distributor.setEnable, .max)
    arm64_mmio_write32(distributor + Distributor.control, 1)
    arm64_mmio_write32(interface + Interface.priorityMask, 0xff)
    arm64_mmio_write32(interface + Interface.control, 1)
  }

  /// A CPU's interface has the number that its lowest affinity has, on machines with as few as eight.
  static func send(_ id: UInt32, to hardwareID: UInt64) {
    arm64_mmio_write32(
      distributor + Distributor.softwareInterrupt, 1 << (16 + UInt32(hardwareID & 7)) | id)
  }

  static func sendToOthers(_ id: UInt32) {
    arm64_mmio_write32(distributor + Distributor.softwareInterrupt, 1 << 24 | id)
  }

  static func acknowledge() -> UInt32 { arm64_mmio_read32(interface + Interface.acknowledge) }
  static func end(_ interrupt: UInt32) { arm64_mmio_write32(interface + Interface.end, interrupt) }
}

// MARK: - Version 3

private enum GICv3 {
  /// Offsets from the distributor, and from a redistributor's two frames of 64 KiB (IHI 0069, 12.8 and
  /// 12.10).
  private enum Distributor {
    static var control: UInt { 0 }
  }

  private enum Redistributor {
    static var stride: UInt { 0x2_0000 }
    static var typeLow: UInt { 0x08 }
    static var typeHigh: UInt { 0x0c }
    static var waker: UInt { 0x14 }
    static var group: UInt { 0x1_0080 }
    static var setEnable: UInt { 0x1_0100 }
    static var priority: UInt { 0x1_0400 }
  }

  private static var distributor: UInt { unsafe Devices.distributor.start }

  static func enable() {
    // Affinity routing, group 1.
    arm64_mmio_write32(distributor + Distributor.control, 0x12)
    let own = redistributor()
    arm64_mmio_write32(own + Redistributor.waker, arm64_mmio_read32(own + Redistributor.waker) & ~2)
    while arm64_mmio_read32(own + Redistributor.waker) & 4 != 0 { arm64_yield() }
    for offset in stride(from: UInt(0), to: 32, by: 4) {
      arm64_mmio_write32(own + Redistributor.priority + offset, 0x8080_8080)
    }
    arm64_mmio_write32(own + Redistributor.group, .max)
    arm64_mmio_write32(own + Redistributor.setEnable, .max)
    arm64_enable_gic_registers()
    arm64_write_icc_pmr_el1(0xff)
    arm64_write_icc_igrpen1_el1(1)
    arm64_isb()
  }

  /// This CPU's: the one whose type register has its affinity.
  private static func redistributor() -> UInt {
    let all = unsafe Devices.interface
    let own = Platform.hardwareID
    let affinity = UInt32(truncatingIfNeeded: own & 0xff_ffff | (own >> 32) << 24)
    var place = all.start
    let end = place + all.byteCount
    while place < end {
      if arm64_mmio_read32(place + Redistributor.typeHigh) == affinity { return place }
      if arm64_mmio_read32(place + Redistributor.typeLow) & 1 << 4 != 0 { break }
      place += Redistributor.stride
    }
    panic("the interrupt controller has nothing for this CPU")
  }

  /// Affinity 3, 2 and 1 name sixteen CPUs, of which a bit each is in the lowest half (ICC_SGI1R_EL1).
  static func send(_ id: UInt32, to hardwareID: UInt64) {
    let lowest = hardwareID & 0xff
    let others = (hardwareID >> 8 & 0xff) << 16 | (hardwareID >> 16 & 0xff) << 32 | (hardwareID >> 32) << 48
    arm64_write_icc_sgi1r_el1(
      UInt(UInt64(id) << 24 | others | (lowest >> 4) << 44 | 1 << (lowest & 15)))
    arm64_isb()
  }

  static func sendToOthers(_ id: UInt32) {
    arm64_write_icc_sgi1r_el1(1 << 40 | UInt(id) << 24)
    arm64_isb()
  }

  static func acknowledge() -> UInt32 { UInt32(truncatingIfNeeded: arm64_read_icc_iar1_el1()) }
  static func end(_ interrupt: UInt32) { arm64_write_icc_eoir1_el1(UInt(interrupt)) }
}
