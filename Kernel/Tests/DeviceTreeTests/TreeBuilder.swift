import KernelMemory
import LoaderText

@testable import DeviceTree

/// A device tree as a loader writes it, and memory to read it from.
final class TreeBuilder {
  private(set) var structure: [UInt8] = []
  private var strings: [UInt8] = []
  private var reservations: [UInt8] = []

  static let address: UInt64 = 0x1000
  private static let windowBytes = 1 << 16
  private let memory = UnsafeMutableRawBufferPointer.allocate(
    byteCount: TreeBuilder.windowBytes, alignment: 4096)

  deinit { memory.deallocate() }

  static func bytes(_ numbers: [UInt32]) -> [UInt8] {
    numbers.flatMap { number in withUnsafeBytes(of: number.bigEndian) { Array($0) } }
  }

  private func word(_ number: UInt32) { structure += Self.bytes([number]) }

  private func pad() { while structure.count % 4 != 0 { structure.append(0) } }

  func node(_ name: String, _ body: () -> Void) {
    begin(name)
    body()
    end()
  }

  func begin(_ name: String) {
    word(1)
    structure += Array(name.utf8) + [0]
    pad()
  }

  func end() { word(2) }

  func nothing() { word(4) }

  func property(_ name: String, _ value: [UInt8]) {
    word(3)
    word(UInt32(value.count))
    word(UInt32(strings.count))
    strings += Array(name.utf8) + [0]
    structure += value
    pad()
  }

  func property(_ name: String, _ cells: UInt32...) { property(name, Self.bytes(cells)) }
  func property(_ name: String, _ texts: String...) {
    property(name, texts.flatMap { Array($0.utf8) + [0] })
  }

  func reserve(_ start: UInt64, _ byteCount: UInt64) {
    for number in [start, byteCount] {
      reservations += Self.bytes([UInt32(number >> 32), UInt32(truncatingIfNeeded: number)])
    }
  }

  /// The whole tree's bytes.
  func bytes() -> [UInt8] {
    let list = reservations + Array(repeating: 0, count: 16)
    let body = structure + Self.bytes([9])
    let structStart = UInt32(40 + list.count)
    let stringsStart = structStart + UInt32(body.count)
    let header: [UInt32] = [
      0xd00d_feed, stringsStart + UInt32(strings.count), structStart, stringsStart, 40, 17, 16, 0,
      UInt32(strings.count), UInt32(body.count),
    ]
    return Self.bytes(header) + list + body + strings
  }

  /// Puts these bytes where the loader would, the rest of memory being full of other things, and reads them.
  func read(_ bytes: [UInt8]) throws(DeviceTreeError) -> DeviceTree {
    for index in memory.indices { memory[index] = 0x5a }
    for (index, byte) in bytes.enumerated() where index < memory.count - Int(Self.address) {
      memory[Int(Self.address) + index] = byte
    }
    return try read(at: Self.address)
  }

  func read(at address: UInt64 = TreeBuilder.address) throws(DeviceTreeError) -> DeviceTree {
    try DeviceTree(at: PhysicalAddress(address), window: window)
  }

  func tree() throws(DeviceTreeError) -> DeviceTree { try read(bytes()) }

  private var window: LinearMap {
    LinearMap(
      base: VirtualAddress(UInt64(UInt(bitPattern: memory.baseAddress))),
      limit: PhysicalAddress(UInt64(Self.windowBytes)), pageSize: .size4K)
  }
}

extension TreeBuilder {
  /// As QEMU has it: 256 MiB of memory, four CPUs, an initial RAM disk, a UART, an interrupt controller.
  static func complete(
    memory: [UInt32] = [0, 0x4000_0000, 0, 0x1000_0000], cpus: [UInt32] = [0, 1, 2, 3]
  ) -> TreeBuilder {
    let tree = TreeBuilder()
    tree.reserve(0x4800_0000, 0x2000)
    tree.begin("")
    tree.property("#address-cells", 2)
    tree.property("#size-cells", 2)
    tree.property("compatible", "linux,dummy-virt")
    tree.node("psci") {
      tree.property("method", "hvc")
      tree.property("compatible", "arm,psci-1.0", "arm,psci-0.2")
    }
    tree.nothing()
    tree.node("memory@40000000") {
      tree.property("reg", Self.bytes(memory))
      tree.property("device_type", "memory")
    }
    tree.node("intc@8000000") {
      tree.property("reg", 0, 0x0800_0000, 0, 0x1_0000, 0, 0x0801_0000, 0, 0x1_0000)
      tree.property("compatible", "arm,cortex-a15-gic")
      tree.node("v2m@8020000") { tree.property("compatible", "arm,gic-v2m-frame") }
    }
    tree.node("cpus") {
      tree.property("#address-cells", 1)
      tree.property("#size-cells", 0)
      tree.node("cpu-map") { tree.node("socket0") {} }
      for cpu in cpus {
        tree.node("cpu@\(cpu)") {
          tree.property("reg", cpu)
          tree.property("device_type", "cpu")
        }
      }
    }
    tree.node("reserved-memory") {
      tree.property("#address-cells", 2)
      tree.property("#size-cells", 2)
      tree.node("mmode_resv0@40000000") { tree.property("reg", 0, 0x4000_0000, 0, 0x8_0000) }
    }
    tree.node("pl011@9000000") {
      tree.property("reg", 0, 0x0900_0000, 0, 0x1000)
      tree.property("compatible", "arm,pl011", "arm,primecell")
    }
    tree.node("chosen") {
      tree.property("linux,initrd-start", 0x4820_0000)
      tree.property("linux,initrd-end", 0, 0x4820_1234)
      tree.property("bootargs", "laps=2 hold")
    }
    tree.end()
    return tree
  }
}
