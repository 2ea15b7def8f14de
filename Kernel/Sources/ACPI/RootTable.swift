internal import KernelMemory

/// The table of tables: an XSDT, or where there is none that can be used, an RSDT, whose addresses have 32
/// bits.
struct RootTable {
  private let table: PhysicalBytes
  private let addressBytes: UInt32
  private let window: LinearMap

  private static var headerBytes: UInt32 { 36 }

  init(rootPointer: PhysicalAddress, window: LinearMap) throws(ACPIError) {
    guard rootPointer.rawValue != 0 else { throw .noRootPointer }
    self.window = window
    let root = try Self.rootPointer(at: rootPointer, window)
    let extended = root.count >= 36 ? PhysicalAddress(root.u64(24)) : PhysicalAddress(0)
    let plain = PhysicalAddress(UInt64(root.u32(16)))
    do throws(ACPIError) {
      guard extended.rawValue != 0 else { throw .wrongSignature(.rootTable) }
      table = try Self.table(.rootTable, "XSDT", at: extended, window)
      addressBytes = 8
    } catch {
      // What is wrong with the better one is what is said, unless the other one is right.
      let problem = error
      do throws(ACPIError) {
        table = try Self.table(.rootTable, "RSDT", at: plain, window)
        addressBytes = 4
      } catch {
        throw extended.rawValue != 0 ? problem : error
      }
    }
  }

  /// The root pointer: 20 bytes in revision 0, as many as it says from revision 2 on, each with its
  /// checksum.
  private static func rootPointer(
    at address: PhysicalAddress, _ window: LinearMap
  ) throws(ACPIError) -> PhysicalBytes {
    let start = try bytes(.rootPointer, at: address, count: 20, window)
    guard start.begin(with: "RSD PTR ") else { throw .wrongSignature(.rootPointer) }
    guard start.addUp(upTo: 20) else { throw .wrongChecksum(.rootPointer) }
    guard start.u8(15) >= 2 else { return start }
    let count = try bytes(.rootPointer, at: address, count: 24, window).u32(20)
    guard count >= 36 else { throw .wrongByteCount(.rootPointer, count) }
    let whole = try bytes(.rootPointer, at: address, count: count, window)
    guard whole.addUp(upTo: count) else { throw .wrongChecksum(.rootPointer) }
    return whole
  }

  /// The first table with the signature "APIC".
  func multipleAPICTable() throws(ACPIError) -> PhysicalBytes {
    var problem = ACPIError.noMultipleAPICTable
    var offset = Self.headerBytes
    while table.count - offset >= addressBytes {
      let address = PhysicalAddress(addressBytes == 8 ? table.u64(offset) : UInt64(table.u32(offset)))
      if let header = PhysicalBytes(at: address, count: Self.headerBytes, in: window) {
        if header.begin(with: "APIC") {
          return try Self.table(.multipleAPICTable, "APIC", at: address, window)
        }
      } else {
        // It may have been the one that is looked for.
        problem = .unreachable(.table, address)
      }
      offset += addressBytes
    }
    throw problem
  }

  private static func table(
    _ part: ACPIError.Part, _ signature: StaticString, at address: PhysicalAddress, _ window: LinearMap
  ) throws(ACPIError) -> PhysicalBytes {
    let header = try bytes(part, at: address, count: headerBytes, window)
    guard header.begin(with: signature) else { throw .wrongSignature(part) }
    let count = header.u32(4)
    guard count >= part.leastByteCount else { throw .wrongByteCount(part, count) }
    let table = try bytes(part, at: address, count: count, window)
    guard table.addUp(upTo: count) else { throw .wrongChecksum(part) }
    return table
  }

  private static func bytes(
    _ part: ACPIError.Part, at address: PhysicalAddress, count: UInt32, _ window: LinearMap
  ) throws(ACPIError) -> PhysicalBytes {
    guard let bytes = PhysicalBytes(at: address, count: count, in: window) else {
      throw .unreachable(part, address)
    }
    return bytes
  }
}
