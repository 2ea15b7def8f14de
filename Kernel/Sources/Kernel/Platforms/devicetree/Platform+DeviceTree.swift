import CKernel
import DeviceTree
import KernelMemory

// What all platforms that a device tree describes have in common.

extension Platform {
  /// At the addresses that they had without these tables, so that a fault on the way can be reported.
  static func mapDevices(with bootstrap: inout Bootstrap) throws(MemoryError) {
    for index in 0..<Devices.count {
      let pages = Devices.registers(index).pages
      try bootstrap.map(
        pages, to: FrameNumber(pages.first.rawValue),
        MappingAttributes(.readWrite, cache: cacheTypeOfDevices))
    }
  }
}

/// The registers of a device, which have the same virtual addresses as physical ones.
struct Registers {
  let start: UInt
  let byteCount: UInt

  static var none: Registers { Registers(start: 0, byteCount: 0) }

  init(start: UInt, byteCount: UInt) {
    self.start = start
    self.byteCount = byteCount
  }

  init(_ range: DeviceTree.Range) {
    self.init(start: UInt(range.start.rawValue), byteCount: UInt(range.byteCount))
  }

  /// The pages that have them, of the size that the tables have by now.
  var pages: PageRange {
    let last = VirtualAddress(UInt64(start &+ max(1, byteCount) &- 1))
    return PageRange(
      from: VirtualAddress(UInt64(start)).number(Platform.pageSize),
      upTo: PageNumber(last.number(Platform.pageSize).rawValue &+ 1))
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
