import KernelMemory

@testable import ACPI

/// Physical memory into which a test writes what firmware would: a root pointer, a table of tables, and
/// a table of CPUs. Each is sealed with its checksum when it is complete.
final class Firmware {
  static let byteCount = 16384
  static let rootPointer: UInt64 = 0x100
  static let rootTable: UInt64 = 0x1000
  static let otherRootTable: UInt64 = 0x1400
  static let otherTable: UInt64 = 0x1800
  static let processors: UInt64 = 0x2000

  private let bytes = UnsafeMutableRawBufferPointer.allocate(
    byteCount: Firmware.byteCount, alignment: 4096)

  init() { bytes.initializeMemory(as: UInt8.self, repeating: 0) }

  deinit { bytes.deallocate() }

  private var window: LinearMap {
    LinearMap(
      base: VirtualAddress(UInt64(UInt(bitPattern: bytes.baseAddress))),
      limit: PhysicalAddress(UInt64(Self.byteCount)), pageSize: .size4K)
  }

  func read(at rootPointer: UInt64 = Firmware.rootPointer) throws(ACPIError) -> ProcessorList {
    try ProcessorList(rootPointer: PhysicalAddress(rootPointer), window: window)
  }

  func put<Number: FixedWidthInteger>(_ number: Number, at address: UInt64) {
    bytes.storeBytes(of: number.littleEndian, toByteOffset: Int(address), as: Number.self)
  }

  func put(_ text: String, at address: UInt64) {
    for (offset, byte) in text.utf8.enumerated() { put(byte, at: address + UInt64(offset)) }
  }

  /// Makes the sum of `count` bytes zero by the one at `checksum`.
  func seal(_ start: UInt64, count: Int, checksum: UInt64) {
    put(UInt8(0), at: start + checksum)
    let sum = bytes[Int(start)..<Int(start) + count].reduce(UInt8(0), &+)
    put(0 &- sum, at: start + checksum)
  }
}

extension Firmware {
  enum Revision: CaseIterable { case first, second }

  /// Tables with these entries, found by way of an RSDT (revision 0 of the root pointer) or an XSDT.
  static func listing(_ entries: [[UInt8]], _ revision: Revision = .second) -> Firmware {
    let firmware = Firmware()
    firmware.putRootPointer(revision)
    firmware.putRootTable([otherTable, processors], revision)
    firmware.putTable("FACP", at: otherTable, body: [])
    firmware.putProcessors(entries)
    return firmware
  }

  func putRootPointer(_ revision: Revision) {
    let start = Self.rootPointer
    put("RSD PTR ", at: start)
    if revision == .first {
      put(UInt32(Self.rootTable), at: start + 16)
      seal(start, count: 20, checksum: 8)
    } else {
      put(UInt8(2), at: start + 15)
      put(UInt32(36), at: start + 20)
      put(Self.rootTable, at: start + 24)
      seal(start, count: 20, checksum: 8)
      seal(start, count: 36, checksum: 32)
    }
  }

  /// An RSDT beside the XSDT.
  func putOtherRootTable() {
    put(UInt32(Self.otherRootTable), at: Self.rootPointer + 16)
    seal(Self.rootPointer, count: 20, checksum: 8)
    seal(Self.rootPointer, count: 36, checksum: 32)
    putRootTable([Self.otherTable, Self.processors], .first, at: Self.otherRootTable)
  }

  func putRootTable(_ tables: [UInt64], _ revision: Revision, at start: UInt64 = rootTable) {
    let body = tables.flatMap { address in
      (0..<(revision == .first ? 4 : 8)).map { UInt8(truncatingIfNeeded: address >> (8 * $0)) }
    }
    putTable(revision == .first ? "RSDT" : "XSDT", at: start, body: body)
  }

  func putProcessors(_ entries: [[UInt8]]) {
    putTable("APIC", at: Self.processors, body: [0, 0, 0xe0, 0xfe, 1, 0, 0, 0] + entries.flatMap { $0 })
  }

  func putTable(_ signature: String, at start: UInt64, body: [UInt8]) {
    put(signature, at: start)
    put(UInt32(36 + body.count), at: start + 4)
    for (offset, byte) in body.enumerated() { put(byte, at: start + 36 + UInt64(offset)) }
    seal(start, count: 36 + body.count, checksum: 9)
  }
}

/// Entries of the table of CPUs.
enum EntryBytes {
  static func processor(_ id: UInt8, flags: UInt8 = 1) -> [UInt8] { [0, 8, id, id, flags, 0, 0, 0] }

  static func x2(_ id: UInt32, flags: UInt8 = 1) -> [UInt8] {
    [9, 16, 0, 0] + bytes(id) + [flags, 0, 0, 0] + bytes(id)
  }

  /// An I/O APIC, which is none of this parser's business.
  static let other: [UInt8] = [1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]

  static func localAPIC(_ address: UInt64) -> [UInt8] {
    [5, 12, 0, 0] + bytes(UInt32(truncatingIfNeeded: address)) + bytes(UInt32(address >> 32))
  }

  private static func bytes(_ number: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
  }
}
