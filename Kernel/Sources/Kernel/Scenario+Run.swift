import BareMetal
import BootReplay
import CKernel
import KernelMemory

extension Scenario {
  /// Faults. Where nothing does, which is the mistake that this is for, ends the run with another status.
  func run(on manager: MemoryManager) -> Never {
    do throws(MemoryError) {
      try fault(manager)
    } catch {
      panic { console in
        console.write("no memory to fault on: ")
        console.write(error)
      }
    }
    var console = SerialPort.console
    console.write("nothing faulted\n")
    exit(.jobFailed)
  }

  private func fault(_ manager: MemoryManager) throws(MemoryError) {
    switch self {
    case .null: Self.store(at: VirtualAddress(8))
    case .guardPage:
      let area = try Self.area(manager)
      Self.store(at: VirtualAddress(area.rawValue + Self.areaBytes))
    case .afterFree:
      let area = try Self.area(manager)
      Self.store(at: area)
      try unsafe manager.vfree(area.pointer)
      Self.store(at: area)
    case .stackGuard: Self.store(at: Image.stackGuard.first.address(Platform.pageSize))
    case .stackOverflow: kernel_overflow_stack()
    case .writeReadOnly: Self.store(at: Image.constants.first.address(Platform.pageSize))
    case .executeData: Self.call(try Self.area(manager))
    case .linearMapHole: Self.load(from: AddressSpace.linearMap.base)
    case .imageAlias: Self.storeInImage(by: AddressSpace.linearMap)
    case .windowAlias: Self.storeInImage(by: AddressSpace.objectWindow)
    case .trap: preconditionFailure("on purpose")
    case .probes: Self.probe(try Self.area(manager))
    case .spans: try Self.useSpans(manager)
    case .largeFrames: kernel_overflow_stack_with_large_frames()
    case .nonMaskable, .machineCheck, .noGlobalPages: try Platform.run(self, on: manager)
    case .stopped: Self.stopOthers(manager)
    case .startStack: Self.reportStack()
    case .cacheTypes: try Self.useCacheTypes(manager)
    case .flushes: try Self.flushAreas(manager)
    case .unprepared, .noThreadPointer, .wrongNumber, .wrongLevels: break
    }
  }

  private static var areaBytes: UInt64 { 3 * Platform.pageSize.bytes }

  private static func area(_ manager: MemoryManager) throws(MemoryError) -> VirtualAddress {
    var options = VmallocOptions()
    options.tag = try manager.makeTag(named: "scenario")
    return unsafe VirtualAddress(try manager.vmalloc(Int(areaBytes), options))
  }

  private static func store(at address: VirtualAddress) {
    unsafe address.pointer?.storeBytes(of: 0x5a, as: UInt8.self)
  }

  private static func storeInImage(by map: LinearMap) {
    store(at: AddressSpace.alias(of: Image.all, in: map).first.address(Platform.pageSize))
  }

  /// Accesses that go through, then one of each kind that does not; all of them come back.
  private static func probe(_ area: VirtualAddress) -> Never {
    let start = UInt(area.rawValue)
    let guardPage = start + UInt(areaBytes)
    var value: UInt = 0
    show("store", kernel_probe_store(start, 0x5a))
    show("load", unsafe kernel_probe_load(start, &value))
    show("load", unsafe kernel_probe_load(guardPage, &value))
    show("store", kernel_probe_store(guardPage, 0x5a))
    show("execute", kernel_probe_execute(start))
    exit(value == 0x5a ? .success : .jobFailed)
  }

  static func show(_ access: StaticString, _ result: kernel_probe_result) {
    var console = SerialPort.console
    console.write("probe: ")
    console.write(access)
    if result.error_code == .max {
      console.write(" done\n")
    } else {
      console.write(", error code 0x")
      console.write(hex: UInt64(result.error_code))
      console.write(" at 0x")
      console.write(hex: UInt64(result.address), width: 16)
      console.newline()
    }
  }

  private static func load(from address: VirtualAddress) {
    var sink = SerialPort.console
    if let value = unsafe address.pointer?.load(as: UInt8.self) { sink.write(value) }
  }

  private static func call(_ address: VirtualAddress) {
    typealias Function = @convention(c) () -> Void
    unsafe unsafeBitCast(UInt(address.rawValue), to: Function.self)()
  }
}
