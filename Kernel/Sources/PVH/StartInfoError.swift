public import KernelMemory

/// Why a start info cannot be used.
public enum StartInfoError: Error, Equatable {
  /// The loader passed no address, or the structure does not begin with PVH's magic number.
  case notStartInfo(magic: UInt32)
  /// Version 0 has no memory map.
  case versionTooOld(UInt32)
  /// No table, or one with no entries.
  case noMemoryMap
  /// The loader's memory map and what was added to it before are more than a `MemoryMap` holds.
  case memoryMapTooLong(entries: UInt32, limit: Int)
  /// A memory map that names no usable RAM.
  case noUsableMemory
  /// Something lies where the boot code's window does not reach.
  case unreachable(Part, PhysicalAddress)
  /// A module whose end wraps.
  case malformedModule(PhysicalAddress)
  /// The command line has no end within the limit.
  case commandLineTooLong(limit: Int)

  /// What a pointer in the start info points to.
  public enum Part: Equatable, Sendable {
    case startInfo, memoryMap, moduleList, commandLine

    var name: StaticString {
      switch self {
      case .startInfo: "the start info"
      case .memoryMap: "the memory map"
      case .moduleList: "the list of modules"
      case .commandLine: "the command line"
      }
    }
  }
}

extension StartInfoError {
  /// One sentence for a person.
  public func write(to sink: inout some TextSink) {
    switch self {
    case .notStartInfo(let magic):
      sink.write("the loader passed no PVH start info (magic number 0x")
      sink.write(hex: UInt64(magic), width: 8)
      sink.write(" instead of 0x")
      sink.write(hex: UInt64(StartInfo.magic), width: 8)
      sink.write(")")
    case .versionTooOld(let version):
      sink.write("the PVH start info has version ")
      sink.write(decimal: UInt64(version))
      sink.write("; a memory map comes with version 1 and later")
    case .noMemoryMap:
      sink.write("the PVH start info has no memory map")
    case .memoryMapTooLong(let entries, let limit):
      sink.write("the memory map has ")
      sink.write(decimal: UInt64(entries))
      sink.write(" entries; at most ")
      sink.write(decimal: UInt64(limit))
      sink.write(" can be kept")
    case .noUsableMemory:
      sink.write("the memory map names no usable RAM")
    case .unreachable(let part, let address):
      sink.write(part.name)
      sink.write(" lies at physical 0x")
      sink.write(hex: address.rawValue)
      sink.write(", which the boot code's tables do not reach")
    case .malformedModule(let address):
      sink.write("the module at physical 0x")
      sink.write(hex: address.rawValue)
      sink.write(" runs past the end of the address space")
    case .commandLineTooLong(let limit):
      sink.write("the command line has more than ")
      sink.write(decimal: UInt64(limit))
      sink.write(" bytes")
    }
  }
}
