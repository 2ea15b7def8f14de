import BareMetal
import CBareMetal
import CKernel
import KernelMemory
import LoaderText

/// An AArch64 machine that a device tree describes, as the rest of the kernel asks for it.
enum Platform {
  static var name: StaticString { "AArch64" }

  /// What this CPU is called by hardware: the affinity in its MPIDR_EL1 (Arm ARM, D19.2). No memory is read
  /// for it.
  static var hardwareID: UInt64 { UInt64(arm64_read_mpidr_el1()) & 0xff_00ff_ffff }

  /// Instructions of all CPUs so far, under QEMU's `-icount shift=0,sleep=off`: the cycle counter.
  static var instructions: UInt64 { CycleCounter.now }

  /// Has this CPU read page tables as the core writes them; ends the run where it cannot.
  static func prepareCPU() {
    do throws(MissingFeature) { try PagingControls.prepare() } catch { panicForMissing(error.name) }
  }

  /// Before anything else, on the first CPU; and on each other one.
  static func begin() { CycleCounter.start() }
  static func beginOnOtherCPU() { CycleCounter.start() }
}

// MARK: - Memory

extension Platform {
  static var linearMapBase: VirtualAddress { VirtualAddress(0xffff_8880_0000_0000) }
  static var vmallocStart: VirtualAddress { VirtualAddress(0xffff_c900_0000_0000) }

  /// A large leaf in use must not be replaced by smaller ones (break-before-make), so that nothing can be
  /// taken out of the maps of RAM later.
  static var canSplitLeaves: Bool { false }

  static func format(for _: Options) -> PageTableFormatChoice { .aarch64(granule: .size4K) }

  static func machine(
    cpuCount: Int, notify: @escaping Machine.Notify, fatal: @escaping Machine.Fatal
  ) -> Machine {
    unsafe .aarch64(cpuCount: cpuCount, notify: notify, fatal: fatal)
  }

  static var cacheTypeOfDevices: CacheType { .uncached }

  /// Then what is writable is never executed. On each other CPU the same is set as the first one has it.
  static func load(root: PhysicalAddress, addressBits: Int) throws(MemoryError) {
    try PagingControls.load(root: root, addressBits: addressBits)
    ProcessorProtection.forbidWritableCode()
  }
}

// MARK: - Options

extension Platform {
  /// No word is this platform's own.
  static func accepts(_: CommandLine.Word) -> Bool? { nil }

  static func writeUsage(to _: inout some TextSink) {}
}

// MARK: - Scenarios

extension Platform {
  /// As a kernel has it that forgets to set this.
  static func clearThreadPointer() { arm64_write_tpidr_el1(0) }
}
