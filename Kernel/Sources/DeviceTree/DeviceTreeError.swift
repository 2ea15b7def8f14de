public import KernelMemory

/// Why a device tree cannot be used.
public enum DeviceTreeError: Error, Equatable {
  /// The loader passed no address, or one that no tree has.
  case noTree(PhysicalAddress)
  /// It lies where the boot code's window does not reach.
  case unreachable(PhysicalAddress, byteCount: UInt64)
  case notTree(magic: UInt32)
  case absurdSize(UInt32)
  case unknownVersion(UInt32)
  /// Something in this part goes on behind its end.
  case truncated(Part)
  /// At an offset in the tree.
  case unknownToken(at: UInt32)
  /// A node ends that did not begin, or the other way round.
  case unbalanced(at: UInt32)
  case tooDeep(limit: Int)
  /// Numbers of more cells than two, or of none.
  case absurdCells(UInt32)
  case noMemory
  /// A range of memory that wraps, or of which a part is missing.
  case malformedMemory
  /// Two nodes, or two ranges of one, claim the same memory.
  case overlappingMemory(PhysicalAddress)
  case memoryMapTooLong(limit: Int)
  case malformedInitialDisk
  /// There is a node for the CPUs, and it does not say which.
  case malformedCPUs
  case commandLineWithoutEnd

  public enum Part: Equatable, Sendable {
    case structure, strings, reservations

    var name: StaticString {
      switch self {
      case .structure: "the structure block"
      case .strings: "the strings block"
      case .reservations: "the list of reserved memory"
      }
    }
  }
}

extension DeviceTreeError {
  /// One sentence for a person.
  public func write(to sink: inout some TextSink) {
    switch self {
    case .noTree(let address):
      sink.write("the loader passed no device tree (its address is 0x")
      sink.write(hex: address.rawValue)
      sink.write(")")
    case .unreachable(let address, let byteCount):
      sink.write("the device tree of ")
      sink.write(decimal: byteCount)
      sink.write(" bytes at physical 0x")
      sink.write(hex: address.rawValue)
      sink.write(" lies where the boot code's tables do not reach")
    case .notTree(let magic):
      sink.write("the loader passed no device tree (magic number 0x")
      sink.write(hex: UInt64(magic), width: 8)
      sink.write(" instead of 0x")
      sink.write(hex: UInt64(DeviceTree.magic), width: 8)
      sink.write(")")
    case .absurdSize(let size): Self.write("the device tree says that it has ", size, " bytes", to: &sink)
    case .unknownVersion(let version):
      Self.write("the device tree has version ", version, "; version 17 can be read", to: &sink)
    case .truncated(let part):
      sink.write("the device tree is truncated: ")
      sink.write(part.name)
      sink.write(" ends too early")
    case .unknownToken(let offset):
      Self.write("the device tree has no known word at offset ", offset, "", to: &sink)
    case .unbalanced(let offset):
      Self.write("the device tree's nodes do not end as they began, at offset ", offset, "", to: &sink)
    case .tooDeep(let limit):
      Self.write("the device tree is deeper than ", UInt32(limit), " nodes", to: &sink)
    case .absurdCells(let count):
      Self.write("the device tree has numbers of ", count, " cells; one and two can be read", to: &sink)
    case .overlappingMemory(let address):
      sink.write("the device tree names the memory at physical 0x")
      sink.write(hex: address.rawValue)
      sink.write(" twice")
    default: sink.write(sentence)
    }
  }

  private var sentence: StaticString {
    switch self {
    case .noMemory: "the device tree names no memory"
    case .malformedMemory: "the device tree has a range of memory that wraps or is cut off"
    case .memoryMapTooLong: "the device tree has more ranges of memory than can be kept"
    case .malformedInitialDisk: "the device tree has an initial RAM disk that ends before it begins"
    case .malformedCPUs: "the device tree has a CPU without a number"
    case .commandLineWithoutEnd: "the command line in the device tree has no end"
    default: "the device tree is damaged"
    }
  }

  private static func write(
    _ before: StaticString, _ number: UInt32, _ after: StaticString, to sink: inout some TextSink
  ) {
    sink.write(before)
    sink.write(decimal: UInt64(number))
    sink.write(after)
  }
}
