public import KernelMemory
public import LoaderText

// What a PVH loader says
//
// PVH is the boot protocol by which QEMU's -kernel, Firecracker, Cloud Hypervisor and Xen start a plain
// ELF file. The loader leaves the physical address of a structure, hvm_start_info, which points to a
// memory map, a list of modules (an initial RAM disk is the first) and a command line. The layout is Xen's,
// xen/include/public/arch-x86/hvm/start_info.h; all numbers are little-endian:
//
//     hvm_start_info              hvm_modlist_entry (32 bytes)    hvm_memmap_table_entry (24 bytes)
//      0  magic          u32       0  address       u64            0  address  u64
//      4  version        u32       8  byte count    u64            8  bytes    u64
//     12  module count   u32      16  command line  u64           16  type     u32
//     16  module list    u64      24  reserved      u64           20  reserved u32
//     24  command line   u64
//     32  ACPI pointer   u64
//     40  memory map     u64
//     48  map entries    u32
//
// All of it is somebody else's data: every pointer is checked against the window before it is followed, and
// whoever needs a part later copies it, because the memory may be usable RAM.

/// A PVH start info, read through the window that the boot code has mapped.
public struct StartInfo {
  static let magic: UInt32 = 0x336e_c578
  /// Longer than any command line that QEMU or a person writes.
  static let commandLineLimit = 4096

  private static let byteCount: UInt64 = 56

  private let window: LinearMap
  private let start: PhysicalAddress
  private let moduleList: PhysicalAddress
  private let memoryMap: PhysicalAddress
  private let memoryMapCount: UInt32
  private let commandLineStart: PhysicalAddress
  public let moduleCount: Int
  /// Where ACPI's root pointer is; zero where the loader knows of none.
  public let acpiRootPointer: PhysicalAddress

  /// Checks the structure at `address` and the tables that it points to.
  public init(at address: PhysicalAddress, window: LinearMap) throws(StartInfoError) {
    guard address.rawValue != 0 else { throw .notStartInfo(magic: 0) }
    try Self.check(.startInfo, at: address, byteCount: Self.byteCount, in: window)
    let fields = Fields(at: address, window)
    guard fields.u32(0) == Self.magic else { throw .notStartInfo(magic: fields.u32(0)) }
    guard fields.u32(4) >= 1 else { throw .versionTooOld(fields.u32(4)) }
    self.window = window
    start = address
    moduleCount = Int(fields.u32(12))
    moduleList = PhysicalAddress(fields.u64(16))
    commandLineStart = PhysicalAddress(fields.u64(24))
    acpiRootPointer = PhysicalAddress(fields.u64(32))
    memoryMap = PhysicalAddress(fields.u64(40))
    memoryMapCount = fields.u32(48)
    guard memoryMapCount > 0, memoryMap.rawValue != 0 else { throw .noMemoryMap }
    try Self.check(.memoryMap, at: memoryMap, byteCount: UInt64(memoryMapCount) * 24, in: window)
    try Self.check(.moduleList, at: moduleList, byteCount: UInt64(moduleCount) * 32, in: window)
  }

  private static func check(
    _ part: StartInfoError.Part, at address: PhysicalAddress, byteCount: UInt64, in window: LinearMap
  ) throws(StartInfoError) {
    guard byteCount > 0 else { return }
    guard address.rawValue != 0, let end = address.advanced(by: byteCount), end <= window.limit else {
      throw .unreachable(part, address)
    }
  }
}

// MARK: - Memory

extension StartInfo {
  /// Type 1 of the memory map is RAM; all others (ACPI tables, firmware's own, defective memory) are
  /// left alone (ACPI specification 6.5, 15.1, address range types).
  private static var usableType: UInt32 { 1 }

  /// Adds the loader's memory map to `map`. The map should have room for more: for what the kernel keeps.
  public func addMemory(to map: MemoryMap) throws(StartInfoError) {
    var hasUsableMemory = false
    for index in 0..<UInt64(memoryMapCount) {
      let entry = Fields(at: PhysicalAddress(memoryMap.rawValue + index * 24), window)
      let isUsable = entry.u32(16) == Self.usableType
      let byteCount = entry.u64(8)
      hasUsableMemory = hasUsableMemory || (isUsable && byteCount > 0)
      do {
        try map.add(isUsable ? .usable : .reserved, at: PhysicalAddress(entry.u64(0)), byteCount: byteCount)
      } catch {
        throw .memoryMapTooLong(entries: memoryMapCount, limit: map.capacity)
      }
    }
    guard hasUsableMemory else { throw .noUsableMemory }
  }

  /// The highest page frame below `limit` that is RAM, whole, and holds nothing of the loader's: no part of a
  /// module, of the start info, or of what that points to. Nil where there is none. Frame zero is never it.
  public func highestUsableFrame(below limit: FrameNumber) throws(StartInfoError) -> FrameNumber? {
    let commandLine = try commandLineByteCount()
    var number = limit.rawValue
    while number > 1 {
      number -= 1
      let frame = FrameRange(from: FrameNumber(number), upTo: FrameNumber(number + 1))
      if isUsable(frame), try !isInModule(frame), !holdsTables(frame, commandLine: commandLine) {
        return frame.first
      }
    }
    return nil
  }

  /// Whether the start info, its tables, or its command line lie in a frame.
  private func holdsTables(_ frame: FrameRange, commandLine: UInt64) -> Bool {
    overlaps(frame, start, Self.byteCount) || overlaps(frame, memoryMap, UInt64(memoryMapCount) * 24)
      || overlaps(frame, moduleList, UInt64(moduleCount) * 32)
      || overlaps(frame, commandLineStart, commandLine)
  }

  private func overlaps(_ frame: FrameRange, _ start: PhysicalAddress, _ byteCount: UInt64) -> Bool {
    guard byteCount > 0 else { return false }
    let (last, wraps) = start.rawValue.addingReportingOverflow(byteCount)
    return start < frame.end.address(.size4K) && frame.first.address(.size4K).rawValue < (wraps ? .max : last)
  }

  private func isUsable(_ frame: FrameRange) -> Bool {
    let start = frame.first.address(.size4K).rawValue
    let end = frame.end.address(.size4K).rawValue
    var isInside = false
    for index in 0..<UInt64(memoryMapCount) {
      let entry = Fields(at: PhysicalAddress(memoryMap.rawValue + index * 24), window)
      let first = entry.u64(0)
      let (last, wraps) = first.addingReportingOverflow(entry.u64(8))
      let past = wraps ? .max : last
      if entry.u32(16) == Self.usableType {
        isInside = isInside || (first <= start && end <= past)
      } else if first < end && start < past {
        return false
      }
    }
    return isInside
  }

  private func isInModule(_ frame: FrameRange) throws(StartInfoError) -> Bool {
    for index in 0..<moduleCount {
      let module = try module(index)
      if overlaps(frame, module.start, module.byteCount) { return true }
    }
    return false
  }
}

// MARK: - Modules and the command line

extension StartInfo {
  /// A module: bytes that the loader has put into memory.
  public struct Module: Equatable {
    public let start: PhysicalAddress
    public let byteCount: UInt64
  }

  /// A module by its place in the list, from zero up to `moduleCount`.
  public func module(_ index: Int) throws(StartInfoError) -> Module {
    precondition(index >= 0 && index < moduleCount, "no such module")
    let entry = Fields(at: PhysicalAddress(moduleList.rawValue + UInt64(index) * 32), window)
    let module = Module(start: PhysicalAddress(entry.u64(0)), byteCount: entry.u64(8))
    guard module.start.advanced(by: module.byteCount) != nil else { throw .malformedModule(module.start) }
    return module
  }

  /// The command line; one without words where the loader passed none.
  public func commandLine() throws(StartInfoError) -> CommandLine {
    let byteCount = try commandLineByteCount()
    guard byteCount > 0 else { return CommandLine(Fields(at: memoryMap, window).text(0)) }
    return CommandLine(Fields(at: commandLineStart, window).text(Int(byteCount - 1)))
  }

  /// With its end, a zero; nothing where the loader passed none.
  private func commandLineByteCount() throws(StartInfoError) -> UInt64 {
    guard commandLineStart.rawValue != 0 else { return 0 }
    let fields = Fields(at: commandLineStart, window)
    for count in 0...Self.commandLineLimit {
      guard commandLineStart.rawValue + UInt64(count) < window.limit.rawValue else {
        throw .unreachable(.commandLine, commandLineStart)
      }
      if fields.u8(count) == 0 { return UInt64(count + 1) }
    }
    throw .commandLineTooLong(limit: Self.commandLineLimit)
  }
}

/// Numbers at offsets from an address that the window is known to reach.
@safe
private struct Fields {
  private let base: UnsafeRawPointer

  init(at address: PhysicalAddress, _ window: LinearMap) {
    unsafe base = UnsafeRawPointer(window.virtualAddress(of: address).pointer.unsafelyUnwrapped)
  }

  func u8(_ offset: Int) -> UInt8 { unsafe base.load(fromByteOffset: offset, as: UInt8.self) }
  func u32(_ offset: Int) -> UInt32 { unsafe base.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
  func u64(_ offset: Int) -> UInt64 { unsafe base.loadUnaligned(fromByteOffset: offset, as: UInt64.self) }

  /// The first `count` bytes.
  func text(_ count: Int) -> CommandLine.Word { unsafe CommandLine.Word(at: base, count: count) }
}
