import DeviceTree
import KernelMemory

extension BootRequest {
  /// Reads the device tree at `address`; ends the run where it makes no sense.
  static func read(at address: PhysicalAddress) -> BootRequest {
    do throws(DeviceTreeError) {
      let tree = try DeviceTree(at: address, window: AddressSpace.window)
      Devices.find(in: tree)
      return try BootRequest(tree)
    } catch {
      panic { console in error.write(to: &console) }
    }
  }

  /// The tree stays, because it says later which CPUs there are.
  private init(_ tree: DeviceTree) throws(DeviceTreeError) {
    let map = Self.makeMemoryMap()
    Self.add(.kept, at: tree.start, byteCount: tree.byteCount, to: map)
    let disk = try tree.initialDisk()
    if let disk { Self.add(.kept, at: disk.start, byteCount: disk.byteCount, to: map) }
    try tree.addMemory(to: map)
    memoryMap = map
    trace = disk.map { LoadedFile(start: $0.start, byteCount: $0.byteCount) }
    processors = try ProcessorPlan(tree)
    options = Self.options(try tree.commandLine())
  }
}
