public import KernelMemory

// Which CPUs a machine has
//
// Firmware lists them in the Multiple APIC Description Table, which is found by way of two others
// (ACPI specification 6.5, 5.2.5 to 5.2.8 and 5.2.12); all numbers are little-endian:
//
//     root pointer (RSDP)        each table begins with      MADT
//      0  "RSD PTR "               0  signature    4 bytes    36  local APIC address   u32
//      8  checksum of 20 bytes     4  byte count   u32        44  entries: type u8, byte count u8, then
//     15  revision       u8        9  checksum     u8             type 0   3 APIC ID u8     4 flags u32
//     16  RSDT           u32     RSDT, XSDT                       type 5   4 local APIC address u64
//     20  byte count     u32      36  addresses u32, u64          type 9   4 x2APIC ID u32  8 flags u32
//     24  XSDT           u64                                  (offsets from the beginning of an entry)
//
// All of it is somebody else's data. Each table is checked against the window, its own byte count and its
// checksum before it is used. The tables lie in memory that is not RAM to the kernel, so what is needed
// is copied.

/// The CPUs that can be used, by the ID of each one's local APIC.
public struct ProcessorList {
  /// An 8-bit ID addresses a CPU; 255 means all of them.
  public static let capacity = 255

  private var ids = InlineArray<255, UInt8>(repeating: 0)
  public private(set) var count = 0
  /// CPUs that are enabled but have an ID that 8 bits do not hold, each counted once.
  public private(set) var unreachable = 0
  /// Where each CPU finds its local APIC.
  public private(set) var localAPIC = PhysicalAddress(0)

  public subscript(index: Int) -> UInt8 {
    precondition(index < count, "no such CPU")
    return ids[index]
  }

  public func contains(_ id: UInt8) -> Bool {
    for index in 0..<count where ids[index] == id { return true }
    return false
  }

  /// Reads what the root pointer at `rootPointer` leads to; zero says that the loader knows of none.
  public init(rootPointer: PhysicalAddress, window: LinearMap) throws(ACPIError) {
    let table = try RootTable(rootPointer: rootPointer, window: window).multipleAPICTable()
    localAPIC = PhysicalAddress(UInt64(table.u32(36)))
    var offset = Entry.first
    while offset < table.count {
      let entry = try Entry(of: table, at: offset)
      switch entry.content {
      // A CPU may have an entry of either type, and one that has both is still one.
      case .processor(let id, isEnabled: true):
        if try !Entry.isEnabled(id, in: table, before: offset) { add(id) }
      case .localAPIC(let address): localAPIC = address
      case .processor, .other: break
      }
      offset += entry.byteCount
    }
    guard count > 0 else { throw .noProcessors }
  }

  private mutating func add(_ id: UInt32) {
    guard let short = UInt8(exactly: id), short != .max else {
      unreachable += 1
      return
    }
    ids[count] = short
    count += 1
  }
}

/// An entry of the MADT.
private struct Entry {
  static var first: UInt32 { 44 }

  enum Content {
    case processor(id: UInt32, isEnabled: Bool)
    case localAPIC(PhysicalAddress)
    case other
  }

  let byteCount: UInt32
  let content: Content

  init(of table: PhysicalBytes, at offset: UInt32) throws(ACPIError) {
    guard table.count - offset >= 2 else { throw .malformedEntry(offset: offset) }
    byteCount = UInt32(table.u8(offset + 1))
    guard byteCount >= 2, byteCount <= table.count - offset else { throw .malformedEntry(offset: offset) }
    switch (table.u8(offset), byteCount) {
    case (0, 8...):
      content = .processor(
        id: UInt32(table.u8(offset + 3)), isEnabled: Self.isEnabled(flags: table.u32(offset + 4)))
    case (5, 12...): content = .localAPIC(PhysicalAddress(table.u64(offset + 4)))
    case (9, 16...):
      content = .processor(
        id: table.u32(offset + 4), isEnabled: Self.isEnabled(flags: table.u32(offset + 8)))
    case (0, _), (5, _), (9, _): throw .malformedEntry(offset: offset)
    default: content = .other
    }
  }

  /// Whether an entry before `end` says that the CPU is there. O(entries).
  static func isEnabled(_ id: UInt32, in table: PhysicalBytes, before end: UInt32) throws(ACPIError) -> Bool {
    var offset = first
    while offset < end {
      let entry = try Entry(of: table, at: offset)
      if case .processor(id, isEnabled: true) = entry.content { return true }
      offset += entry.byteCount
    }
    return false
  }

  /// Bit 0. One that is only capable of being switched on later is not there now.
  private static func isEnabled(flags: UInt32) -> Bool { flags & 1 != 0 }
}
