import CKernel
import DeviceTree
import KernelMemory

// What all platforms that a device tree describes have in common.

extension Platform {
  /// At the addresses that they had without these tables, so that a fault on the way can be reported.
  static func mapDevices(with bootstrap: inout Bootstrap) throws(MemoryError) {
    for index in 0..<Devices.count {
      let range = Devices.range(index)
      try bootstrap.map(
        range, to: FrameNumber(range.first.rawValue),
        MappingAttributes(.readWrite, cache: cacheTypeOfDevices))
    }
  }
}

extension DeviceTree.Range {
  /// The pages that have it, at the same addresses.
  var pages: PageRange {
    let start = VirtualAddress(start.rawValue)
    let last = VirtualAddress(start.rawValue &+ max(1, byteCount) &- 1)
    return PageRange(
      from: start.number(.size4K), upTo: PageNumber(last.number(.size4K).rawValue &+ 1))
  }
}

// MARK: - Scenarios

extension Platform {
  /// NMIs, machine checks and global pages are x86-64's; a CPU that has interrupts off stops for nobody here;
  /// and `load` sets all of a CPU's translation, so that nothing is left to forget.
  static func has(_ scenario: Scenario) -> Bool {
    switch scenario {
    case .nonMaskable, .machineCheck, .noGlobalPages, .stopped, .unprepared, .wrongLevels: false
    default: true
    }
  }

  static func run(_: Scenario, on _: MemoryManager) throws(MemoryError) {}
}

extension Scenario {
  /// Before the manager starts: undoes what a kernel may forget.
  func prepare() {
    switch self {
    case .noThreadPointer: Platform.clearThreadPointer()
    case .wrongNumber: unsafe kernel_cpu_block(0)?.pointee.number = 77
    default: break
    }
  }
}
