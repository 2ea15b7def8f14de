public import BootReplay
public import KernelMemory
public import MachineSimulator

/// A simulated machine that has been started as the kernel starts a real one: its tables built, its root
/// loaded, a memory manager running.
public struct SimulatedComputer: JobMachine {
  public let machine: SimulatedMachine
  public let manager: MemoryManager

  /// Why there is no such machine.
  public enum Failure: Error, CustomStringConvertible {
    case machine(SimulatedMachineError)
    case memory(MemoryError)

    public var description: String {
      switch self {
      case .machine(let error): return "\(error)"
      case .memory(let error):
        var text = TextBuffer()
        text.write(error)
        return text.text
      }
    }
  }

  /// As on the booted kernel, so that the two count the same flushes.
  public static var usualFlushThreshold: PageCount { PageCount(33) }

  /// A PC with so many bytes of RAM.
  /// - Parameters:
  ///   - mode: when freed memory can be used again.
  ///   - levels: how many levels of page tables its CPU walks.
  ///   - hasGigabyteLeaves: whether a leaf of the page tables may be as large as that.
  ///   - fullFlushThreshold: from how many pages on a flush is of everything.
  public init(
    memory byteCount: UInt64, mode: FreeMode = .strict,
    levels: PageTableFormatChoice.X86_64Levels = .four, hasGigabyteLeaves: Bool = true,
    fullFlushThreshold: PageCount = Self.usualFlushThreshold
  ) throws(Failure) {
    var hardware = Hardware()
    hardware.pagingLevels = levels.rawValue
    hardware.fullFlushThreshold = fullFlushThreshold
    do throws(SimulatedMachineError) {
      machine = try SimulatedMachine(ram: RAMRegion.pc(byteCount: byteCount), hardware: hardware)
    } catch {
      throw .machine(error)
    }
    do throws(MemoryError) {
      let bootstrap = try Bootstrap(
        memoryMap: try machine.memoryMap, window: machine.linearMap, linearMap: machine.linearMap,
        format: .x86_64(levels: levels, hasGigabyteLeaves: hasGigabyteLeaves))
      try Self.load(bootstrap.root, into: machine)
      manager = try bootstrap.start(on: machine.machine, mode: mode)
    } catch {
      throw .memory(error)
    }
  }

  /// The root lies in RAM of the machine, so that the machine takes it.
  private static func load(_ root: PhysicalAddress, into machine: SimulatedMachine) throws(MemoryError) {
    do throws(SimulatedMachineError) {
      try machine.loadRoot(root)
    } catch {
      throw .notCanonical(VirtualAddress(root.rawValue))
    }
  }

  public mutating func store(_ value: UInt64, at address: VirtualAddress) -> Bool {
    do throws(Fault) {
      try machine.store(value, at: address)
      return true
    } catch {
      return false
    }
  }

  public mutating func load(_ address: VirtualAddress) -> UInt64? {
    do throws(Fault) {
      return try machine.load(UInt64.self, at: address)
    } catch {
      return nil
    }
  }
}

extension SimulatedComputer {
  /// Runs the job over the text of a recording.
  public mutating func run(
    _ trace: [UInt8], _ options: JobOptions, reportingTo sink: inout some TextSink
  ) -> JobOutcome {
    unsafe trace.withUnsafeBytes { bytes in
      do throws(TraceError) {
        let job = try unsafe BootJob(trace: bytes, options: options)
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: job.workingMemory, alignment: 16)
        defer { unsafe memory.deallocate() }
        return unsafe job.run(on: manager, machine: &self, memory: memory, reportingTo: &sink)
      } catch {
        error.write(to: &sink)
        return .badTrace
      }
    }
  }
}

/// Collects a text.
public struct TextBuffer: TextSink {
  private var bytes: [UInt8] = []

  public init() {}

  public mutating func write(_ byte: UInt8) { bytes.append(byte) }

  public var text: String { String(decoding: bytes, as: UTF8.self) }
}
