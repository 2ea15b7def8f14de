import CBareMetal
import DeviceTree
import KernelMemory

/// Where the registers of devices are, as the device tree has them; they are mapped at the same addresses
/// from the first instruction to the last.
enum Devices {
  /// QEMU's virt machine has these there. What goes wrong before the tree is read is said there.
  nonisolated(unsafe) private(set) static var console = Registers(
    start: 0x1000_0000, byteCount: 0x100)
  nonisolated(unsafe) private(set) static var exit = Registers(start: 0x10_0000, byteCount: 0x1000)
  nonisolated(unsafe) private static var frequency: UInt64 = 10_000_000
  /// Whether an entry of a page table says of which type its memory is (Svpbmt).
  nonisolated(unsafe) private(set) static var hasPageTypes = false
  /// Whether 16 entries of a page table may be one translation (Svnapot).
  nonisolated(unsafe) private(set) static var hasContiguousPages = false
  /// Whether harts have a timer that is supervisor mode's own (Sstc).
  nonisolated(unsafe) private(set) static var hasOwnTimer = false

  static func find(in tree: DeviceTree) {
    if let range = tree.device("ns16550a") { unsafe console = Registers(range) }
    if let range = tree.device("sifive,test0") { unsafe exit = Registers(range) }
    unsafe hasPageTypes = tree.everyHart(has: "svpbmt")
    unsafe hasContiguousPages = tree.everyHart(has: "svnapot")
    unsafe hasOwnTimer = tree.everyHart(has: "sstc")
    guard let frequency = tree.timebaseFrequency, frequency > 0 else {
      panic("the device tree does not say how fast the harts' real-time counter is")
    }
    unsafe self.frequency = frequency
  }

  /// Counts of `TimeStamp` in a second.
  static var countsPerSecond: UInt64 { unsafe frequency }

  /// The most harts that can be told apart: firmware takes any number.
  static var cpuLimit: Int { .max }

  static var count: Int { 2 }

  static func registers(_ index: Int) -> Registers { index == 0 ? unsafe console : unsafe exit }
}
