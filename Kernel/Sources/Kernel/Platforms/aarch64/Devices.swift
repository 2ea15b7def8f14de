import BareMetal
import DeviceTree
import KernelMemory

/// Where the registers of devices are, as the device tree has them; they are mapped at the same addresses
/// from the first instruction to the last.
enum Devices {
  /// QEMU's virt machine has it there. What goes wrong before the tree is read is said there.
  nonisolated(unsafe) private(set) static var console = Registers(start: 0x900_0000, byteCount: 0x1000)
  nonisolated(unsafe) private(set) static var distributor = Registers.none
  /// The registers of the CPUs' own interfaces, of a GICv2; or all redistributors, of a GICv3.
  nonisolated(unsafe) private(set) static var interface = Registers.none
  nonisolated(unsafe) private(set) static var hasGICv3 = false
  /// Whether firmware is called by SMC, not by HVC.
  nonisolated(unsafe) private(set) static var callsBySMC = false

  /// Counts of `TimeStamp` in a second.
  static var countsPerSecond: UInt64 { TimeStamp.frequency }

  /// The most CPUs that the interrupt controller tells apart: a GICv2 has a bit of eight for each.
  static var cpuLimit: Int { unsafe hasGICv3 ? .max : 8 }

  static func find(in tree: DeviceTree) {
    if let range = tree.device("arm,pl011") { unsafe console = Registers(range) }
    unsafe callsBySMC =
      tree.device("arm,psci-0.2", property: "method", lists: "smc")
      || tree.device("arm,psci-1.0", property: "method", lists: "smc")
    if let name = controller(in: tree), let first = tree.device(name),
      let second = tree.device(name, range: 1)
    {
      unsafe distributor = Registers(first)
      unsafe interface = Registers(second)
      return
    }
    panic("the device tree has no interrupt controller that this kernel knows: a GICv2 or a GICv3")
  }

  private static func controller(in tree: DeviceTree) -> StaticString? {
    unsafe hasGICv3 = tree.device("arm,gic-v3") != nil
    if unsafe hasGICv3 { return "arm,gic-v3" }
    if tree.device("arm,gic-400") != nil { return "arm,gic-400" }
    return tree.device("arm,cortex-a15-gic") != nil ? "arm,cortex-a15-gic" : nil
  }

  static var count: Int { 3 }

  static func registers(_ index: Int) -> Registers {
    switch index {
    case 0: unsafe console
    case 1: unsafe distributor
    default: unsafe interface
    }
  }
}
