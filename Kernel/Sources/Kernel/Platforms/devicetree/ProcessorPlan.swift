import DeviceTree
import KernelMemory

/// The CPUs that this kernel will use: those in the device tree.
struct ProcessorPlan {
  let count: Int
  private let tree: PhysicalAddress

  init(_ tree: DeviceTree) throws(DeviceTreeError) {
    count = try tree.cpuCount()
    self.tree = tree.start
    guard count <= Devices.cpuLimit else {
      panic("the device tree has more CPUs than its interrupt controller can tell apart")
    }
    var isListed = false
    for index in 0..<count where tree.cpu(index) == Platform.hardwareID { isListed = true }
    guard isListed else { panic("the device tree lacks the CPU that runs") }
  }

  /// What hardware calls the CPU at a place in the tree, which there is. The tree is kept RAM, so the linear
  /// map has it.
  func hardwareID(_ index: Int) -> UInt64 {
    do throws(DeviceTreeError) {
      guard let id = try DeviceTree(at: tree, window: AddressSpace.linearMap).cpu(index) else {
        panic("the device tree has changed")
      }
      return id
    } catch {
      panic { console in error.write(to: &console) }
    }
  }
}
