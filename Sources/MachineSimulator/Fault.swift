public import KernelMemory

/// Why a simulated CPU did not carry out an access.
public struct Fault: Error, Equatable, Sendable {
  public enum Access: UInt8, CaseIterable, Sendable {
    case read, write, execute
  }

  public enum Cause: UInt8, CaseIterable, Sendable {
    /// The bits of the address above those that are translated do not copy the highest of these. x86-64: a
    /// general-protection fault (SDM vol. 1, 3.3.7.1).
    case notCanonical
    /// No root was loaded yet.
    case noRoot
    /// A table entry on the way is not present.
    case notPresent
    /// Some table entry on the way forbids writing, to the supervisor, too.
    case writeToReadOnly
    /// Some table entry on the way forbids execution by the supervisor.
    case executeOfNoExecute
    /// A present table entry on the way has a reserved bit set, or says what nothing may: an address above
    /// the highest (AArch64), a block where none can be, a type of memory that is none, W without R (RISC-V).
    case reservedBits
    /// RISC-V: the page is for users, or to be executed alone.
    case readForbidden
    /// The page was never used, as its entry has it, and hardware does not note that (AArch64: access flag
    /// fault).
    case accessedClear
    /// RISC-V: the page was never written to, as its entry has it, and hardware does not note that.
    case dirtyClear
    /// RISC-V: a large page whose address is no multiple of its size.
    case misalignedPage
    /// Not all entries of a run say that they are one, or the same of neighbouring pages (AArch64: contiguous
    /// bit, where hardware may use any of them; RISC-V: Svnapot).
    case inconsistentRun
    /// The address of the memory or of a table is in a hole of physical memory.
    case busError
    /// The memory or a table lies in a page frame that is free (`SimulatedMachine.isFrameFree`).
    case freedFrame
    /// The registers of a device were reached through a write-back page (`SimulatedMachine.addDevice`).
    case cachedDevice
    /// The memory was reached by another type before, and not cleaned since
    /// (`SimulatedMachine.typeConflictsAreFaults`).
    case typeConflict

    /// Whether this is the exception #PF, which drops what the CPU has cached for the address (SDM 4.10.4.1).
    var isPageFault: Bool {
      switch self {
      case .notPresent, .writeToReadOnly, .executeOfNoExecute, .reservedBits, .readForbidden,
        .accessedClear, .dirtyClear, .misalignedPage, .inconsistentRun:
        true
      case .notCanonical, .noRoot, .busError, .freedFrame, .cachedDevice, .typeConflict: false
      }
    }
  }

  /// The lowest byte of the access in the page where it failed.
  public let address: VirtualAddress
  public let access: Access
  public let cause: Cause
  /// The level of the table whose entry was the reason: from that of the root to 1, the page table. Zero
  /// where it was no entry, but the address or the memory behind it. For a permission: the level of the leaf.
  public let level: Int
  /// The physical address of that entry, or of the memory; nil where the access came to none.
  public let physicalAddress: PhysicalAddress?
  /// Whether the translation, or a part of it, came from what the CPU had cached, so that the tables may
  /// say otherwise by now.
  public let usedCache: Bool
}

extension Fault: CustomStringConvertible {
  public var description: String {
    var text = "\(cause) on \(access) at 0x" + String(address.rawValue, radix: 16)
    if level > 0 { text += ", level \(level)" }
    if let physicalAddress { text += ", physical 0x" + String(physicalAddress.rawValue, radix: 16) }
    return usedCache ? text + ", through a cached translation" : text
  }
}

/// What a CPU tries to do, as a walk carries it along to say what failed.
struct Request {
  let address: UInt64
  let access: Fault.Access
  var usedCache = false

  func fault(_ cause: Fault.Cause, level: Int, at physicalAddress: UInt64?) -> Fault {
    Fault(
      address: VirtualAddress(address), access: access, cause: cause, level: level,
      physicalAddress: physicalAddress.map { PhysicalAddress($0) }, usedCache: usedCache)
  }
}
