import CBareMetal
import DeviceTree
import KernelMemory

/// Where the registers of devices are, as the device tree has them; they are mapped at the same addresses
/// from the first instruction to the last.
enum Devices {
  /// QEMU's virt machine has these there. What goes wrong before the tree is read is said there.
  nonisolated(unsafe) private(set) static var console = PageRange(
    from: PageNumber(0x10000), upTo: PageNumber(0x10001))
  nonisolated(unsafe) private(set) static var exit = PageRange(
    from: PageNumber(0x100), upTo: PageNumber(0x101))
  /// Counts of the real-time counter in a second.
  nonisolated(unsafe) private(set) static var countsPerSecond: UInt64 = 10_000_000

  static func find(in tree: DeviceTree) {
    if let range = tree.device("ns16550a") { unsafe console = pages(range) }
    if let range = tree.device("sifive,test0") { unsafe exit = pages(range) }
    guard let frequency = tree.timebaseFrequency, frequency > 0 else {
      panic("the device tree does not say how fast the harts' real-time counter is")
    }
    unsafe countsPerSecond = frequency
  }

  static var count: Int { 2 }

  /// The registers of one of them.
  static func range(_ index: Int) -> PageRange { index == 0 ? unsafe console : unsafe exit }

  private static func pages(_ range: DeviceTree.Range) -> PageRange {
    let start = VirtualAddress(range.start.rawValue)
    let last = VirtualAddress(range.start.rawValue &+ max(1, range.byteCount) &- 1)
    return PageRange(
      from: start.number(.size4K), upTo: PageNumber(last.number(.size4K).rawValue &+ 1))
  }
}
