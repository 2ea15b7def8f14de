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

  /// Ends the run where this CPU cannot read page tables as the core writes them. The first CPU is asked
  /// again once the command line has said which pages there are to be.
  static func prepareCPU() {
    do throws(MissingFeature) {
      try PagingControls.prepare(granule: pageSize)
    } catch { panicForMissing(error.name) }
  }

  /// Before anything else, on the first CPU; and on each other one.
  static func begin() { CycleCounter.start() }
  static func beginOnOtherCPU() { CycleCounter.start() }
}

// MARK: - Memory

extension Platform {
  /// How large pages are to be: as the command line says. Until the kernel has its own tables those of boot.S
  /// have pages of 4 KiB, whatever it says.
  static var pageSize: PageSize { unsafe granule }
  nonisolated(unsafe) private static var granule = PageSize.size4K

  /// 47 bits of either half are enough for it, as every granule has.
  static var layout: AddressSpace.Layout { .ofFourLevels }

  /// A large leaf in use must not be replaced by smaller ones (break-before-make), so that nothing can be
  /// taken out of the maps of RAM later.
  static var canSplitLeaves: Bool { false }

  /// A CPU that is told to use pages that it lacks does not fault, it hangs: the question comes first.
  static func format(for _: Options) -> PageTableFormatChoice {
    prepareCPU()
    return .aarch64(granule: pageSize)
  }

  static func machine(
    cpuCount: Int, notify: @escaping Machine.Notify, fatal: @escaping Machine.Fatal
  ) -> Machine {
    unsafe .aarch64(granule: pageSize, cpuCount: cpuCount, notify: notify, fatal: fatal)
  }

  static var cacheTypeOfDevices: CacheType { .uncached }

  /// Then what is writable is never executed. On each other CPU the same is set as the first one has it.
  static func load(root: PhysicalAddress, addressBits: Int) throws(MemoryError) {
    try PagingControls.load(root: root, addressBits: addressBits, granule: pageSize)
    ProcessorProtection.forbidWritableCode()
  }
}

// MARK: - Options

extension Platform {
  /// Takes in a word that is this platform's own; nil where it is none.
  static func accepts(_ word: CommandLine.Word) -> Bool? {
    guard let size = word.dropping("granule=") else { return nil }
    if size.equals("4K") {
      unsafe granule = .size4K
    } else if size.equals("16K") {
      unsafe granule = .size16K
    } else if size.equals("64K") {
      unsafe granule = .size64K
    } else {
      return false
    }
    return true
  }

  static func writeUsage(to sink: inout some TextSink) {
    sink.write("  granule=16K  have pages of 16 KiB, or of 64K, not of 4 KiB\n")
  }
}

// MARK: - Scenarios

extension Platform {
  /// As a kernel has it that forgets to set this.
  static func clearThreadPointer() { arm64_write_tpidr_el1(0) }
}
