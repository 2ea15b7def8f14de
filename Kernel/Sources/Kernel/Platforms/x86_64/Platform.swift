import BareMetal
import KernelMemory
import LoaderText

/// A PC, as the rest of the kernel asks for it.
enum Platform {
  static var name: StaticString { "x86-64" }

  /// What this CPU is called by hardware: the ID of its local APIC. No memory is read for it.
  static var hardwareID: UInt64 { UInt64(LocalAPIC.initialID) }

  /// Instructions of all CPUs so far, under QEMU's `-icount shift=0,sleep=off`.
  static var instructions: UInt64 { TimeStamp.now }

  /// Has this CPU read page tables as the core writes them; ends the run where it cannot.
  static func prepareCPU() {
    do throws(MissingFeature) { try PagingControls.prepare() } catch { panicForMissing(error.name) }
  }

  /// Before anything else, on the first CPU; and on each other one.
  static func begin() { LegacyInterruptControllers.silence() }
  static func beginOnOtherCPU() {}
}

// MARK: - Memory

extension Platform {
  private static var hasFiveLevels: Bool { PagingControls.levels == .five }

  static var pageSize: PageSize { .size4K }

  static var layout: AddressSpace.Layout { hasFiveLevels ? .ofFiveLevels : .ofFourLevels }

  /// A large leaf may be replaced by smaller ones while it is in use.
  static var canSplitLeaves: Bool { true }

  /// As many levels as boot.S has set up, but for the mistake on purpose.
  static func format(for options: Options) -> PageTableFormatChoice {
    let isWrong = options.scenario == .wrongLevels
    return .x86_64(
      levels: hasFiveLevels != isWrong ? .five : .four, hasGigabyteLeaves: ProcessorFeatures.hasGigabyteLeaves
    )
  }

  static func machine(
    cpuCount: Int, notify: @escaping Machine.Notify, fatal: @escaping Machine.Fatal
  ) -> Machine {
    unsafe .x86_64(cpuCount: cpuCount, notify: notify, fatal: fatal)
  }

  /// None that is needed before there is a manager.
  static func mapDevices(with bootstrap: inout Bootstrap) throws(MemoryError) {}

  static func load(root: PhysicalAddress, addressBits: Int) throws(MemoryError) {
    try PagingControls.load(root: root, addressBits: addressBits)
  }
}

// MARK: - Options

extension Platform {
  /// Whether a word's value is what boot.S has done by then; nil where the word is none of this platform's.
  static func accepts(_ word: CommandLine.Word) -> Bool? {
    guard let count = word.dropping("levels=") else { return nil }
    return count.decimal == UInt64(PagingControls.levels.rawValue)
  }

  static func writeUsage(to sink: inout some TextSink) {
    sink.write("  levels=5     use five levels of page tables\n")
  }
}
