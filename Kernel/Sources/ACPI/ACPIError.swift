public import KernelMemory

/// Why firmware's list of CPUs cannot be used.
public enum ACPIError: Error, Equatable {
  /// The loader knows of no ACPI tables.
  case noRootPointer
  /// Something lies where the window does not reach.
  case unreachable(Part, PhysicalAddress)
  case wrongSignature(Part)
  case wrongChecksum(Part)
  /// A table that is too short for what it must have.
  case wrongByteCount(Part, UInt32)
  /// No table lists CPUs.
  case noMultipleAPICTable
  /// An entry of that table runs past its end, or is too short for its type.
  case malformedEntry(offset: UInt32)
  /// No CPU in that table is enabled and has an ID of 8 bits.
  case noProcessors

  /// One of the tables.
  public enum Part: Equatable, Sendable {
    case rootPointer, rootTable, table, multipleAPICTable

    var name: StaticString {
      switch self {
      case .rootPointer: "the ACPI root pointer"
      case .rootTable: "the ACPI root table"
      case .table: "an ACPI table"
      case .multipleAPICTable: "the ACPI table of CPUs (MADT)"
      }
    }

    var leastByteCount: UInt32 { self == .multipleAPICTable ? 44 : 36 }
  }
}

extension ACPIError {
  /// One clause for a person.
  public func write(to sink: inout some TextSink) {
    switch self {
    case .noRootPointer: sink.write("the loader passed no ACPI tables")
    case .unreachable(let part, let address):
      sink.write(part.name)
      sink.write(" lies at physical 0x")
      sink.write(hex: address.rawValue)
      sink.write(", which the boot code's tables do not reach")
    case .wrongSignature(let part):
      sink.write(part.name)
      sink.write(" has another signature")
    case .wrongChecksum(let part):
      sink.write(part.name)
      sink.write(" has a wrong checksum")
    case .wrongByteCount(let part, let count):
      sink.write(part.name)
      sink.write(" says that it has ")
      sink.write(decimal: UInt64(count))
      sink.write(" bytes, which are too few")
    case .noMultipleAPICTable: sink.write("no ACPI table lists the CPUs")
    case .malformedEntry(let offset):
      sink.write("the ACPI table of CPUs (MADT) has a malformed entry at offset ")
      sink.write(decimal: UInt64(offset))
    case .noProcessors:
      sink.write("the ACPI table of CPUs (MADT) has none that is enabled and can be addressed")
    }
  }
}
