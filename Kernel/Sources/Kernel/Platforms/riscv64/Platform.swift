import BareMetal
import CBareMetal
import CKernel
import KernelMemory
import LoaderText

/// A RISC-V machine that a device tree describes, as the rest of the kernel asks for it.
enum Platform {
  static var name: StaticString { "RISC-V" }

  /// What this hart is called by hardware. Supervisor mode has no register of it, so it is in the hart's
  /// block; a hart without one is the first, before or while that is its mistake.
  static var hardwareID: UInt64 {
    let block = riscv_read_thread_pointer()
    guard block != 0, let pointer = unsafe UnsafePointer<kernel_cpu>(bitPattern: block) else {
      return CPUBlock(number: 0)?.hardwareID ?? 0
    }
    return UInt64(unsafe pointer.pointee.hardware_id)
  }

  /// Instructions of all harts so far, under QEMU's `-icount shift=0,sleep=off`.
  static var instructions: UInt64 { InstructionCounter.now }

  /// How many levels a hart walks is found out when they are loaded; nothing else is needed.
  static func prepareCPU() {}

  /// Before anything else, on the first hart; and on each other one.
  static func begin() {}
  static func beginOnOtherCPU() {}
}

// MARK: - Memory

extension Platform {
  /// How many levels of tables there are to be: as the command line says.
  nonisolated(unsafe) private static var levels = PageTableFormatChoice.RISCV64Levels.sv48

  static var pageSize: PageSize { .size4K }

  /// As on x86-64 with as many levels.
  static var layout: AddressSpace.Layout {
    switch unsafe levels {
    case .sv39: .ofThreeLevels
    case .sv48: .ofFourLevels
    case .sv57: .ofFiveLevels
    }
  }

  /// A large leaf may be replaced by smaller ones while it is in use.
  static var canSplitLeaves: Bool { true }

  static func format(for _: Options) -> PageTableFormatChoice {
    unsafe .riscv64(
      levels: levels, hasPageTypes: Devices.hasPageTypes, hasContiguousPages: Devices.hasContiguousPages)
  }

  static func machine(
    cpuCount: Int, notify: @escaping Machine.Notify, fatal: @escaping Machine.Fatal
  ) -> Machine {
    unsafe .riscv64(cpuCount: cpuCount, notify: notify, fatal: fatal)
  }

  /// That of the platform, which is the right one for the page of a device: no bit of an entry says it.
  static var cacheTypeOfDevices: CacheType { .writeBack }

  static func load(root: PhysicalAddress, addressBits: Int) throws(MemoryError) {
    try PagingControls.load(root: root, addressBits: addressBits)
  }
}

// MARK: - Options

extension Platform {
  /// Takes in a word that is this platform's own; nil where it is none.
  static func accepts(_ word: CommandLine.Word) -> Bool? {
    if word.equals("icount") {
      guard unsafe Devices.hasOwnTimer else { panicForMissing("Sstc, by which waits end under -icount") }
      endTurnInWaits()
      return true
    }
    guard let count = word.dropping("levels=") else { return nil }
    switch count.decimal {
    case 3: unsafe levels = .sv39
    case 4: unsafe levels = .sv48
    case 5: unsafe levels = .sv57
    default: return false
    }
    return true
  }

  static func writeUsage(to sink: inout some TextSink) {
    sink.write("  levels=5     use five levels of page tables (Sv57), or three (Sv39), not four\n")
    sink.write("  icount       let other harts on in waits under QEMU's -icount\n")
  }
}

// MARK: - Scenarios

extension Platform {
  /// As a kernel has it that forgets to set this.
  static func clearThreadPointer() { riscv_write_thread_pointer(0) }
}
