import KernelMemory
import LoaderText

@testable import PVH

/// A page frame or two of physical memory, into which a test writes what a loader would.
final class LoaderMemory {
  static let byteCount = 16384
  private let bytes = UnsafeMutableRawBufferPointer.allocate(
    byteCount: LoaderMemory.byteCount, alignment: 4096)

  init() { bytes.initializeMemory(as: UInt8.self, repeating: 0) }

  deinit { bytes.deallocate() }

  var window: LinearMap {
    LinearMap(
      base: VirtualAddress(UInt64(UInt(bitPattern: bytes.baseAddress))),
      limit: PhysicalAddress(UInt64(Self.byteCount)), pageSize: .size4K)
  }

  func put<Number: FixedWidthInteger>(_ number: Number, at address: UInt64) {
    bytes.storeBytes(of: number.littleEndian, toByteOffset: Int(address), as: Number.self)
  }

  func byte(at address: UInt64) -> UInt8 { bytes[Int(address)] }

  func put(_ text: String, at address: UInt64) {
    for (offset, byte) in text.utf8.enumerated() { put(byte, at: address + UInt64(offset)) }
  }

  func startInfo(at address: UInt64 = Layout.startInfo) throws(StartInfoError) -> StartInfo {
    try StartInfo(at: PhysicalAddress(address), window: window)
  }
}

extension LoaderMemory {
  /// The words of the command line, after a new one was put there.
  func words(of text: String) throws -> [CommandLine.Word] {
    put(text + "\0", at: Layout.commandLine)
    return try words()
  }

  func words() throws -> [CommandLine.Word] {
    var line = try startInfo().commandLine()
    var words: [CommandLine.Word] = []
    while let word = line.next() { words.append(word) }
    return words
  }
}

/// Where the tests put things.
enum Layout {
  static let startInfo: UInt64 = 0x100
  static let modules: UInt64 = 0x200
  static let memoryMap: UInt64 = 0x1000
  static let commandLine: UInt64 = 0x2000
}

extension LoaderMemory {
  /// A start info as QEMU writes it: 1 GiB of RAM with a hole, one module, a command line.
  static func complete() -> LoaderMemory {
    let memory = LoaderMemory()
    memory.put(UInt32(0x336e_c578), at: Layout.startInfo)
    memory.put(UInt32(1), at: Layout.startInfo + 4)
    memory.put(UInt32(1), at: Layout.startInfo + 12)
    memory.put(Layout.modules, at: Layout.startInfo + 16)
    memory.put(Layout.commandLine, at: Layout.startInfo + 24)
    memory.put(Layout.memoryMap, at: Layout.startInfo + 40)
    memory.put(UInt32(3), at: Layout.startInfo + 48)
    memory.putModule(0, at: 0x3000, byteCount: 77)
    memory.putRange(0, at: 0, byteCount: 0x9_fc00, type: 1)
    memory.putRange(1, at: 0x9_fc00, byteCount: 0x400, type: 2)
    memory.putRange(2, at: 0x10_0000, byteCount: 0x3ff0_0000, type: 1)
    memory.put("hold  laps=12 ", at: Layout.commandLine)
    return memory
  }

  func putModule(_ index: UInt64, at start: UInt64, byteCount: UInt64) {
    put(start, at: Layout.modules + index * 32)
    put(byteCount, at: Layout.modules + index * 32 + 8)
  }

  func putRange(_ index: UInt64, at start: UInt64, byteCount: UInt64, type: UInt32) {
    put(start, at: Layout.memoryMap + index * 24)
    put(byteCount, at: Layout.memoryMap + index * 24 + 8)
    put(type, at: Layout.memoryMap + index * 24 + 16)
  }
}
