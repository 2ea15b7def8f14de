internal import BootReplay
internal import KernelMemory
internal import MachineSimulator

/// A simulated machine that has been started as the kernel starts a real one: its tables built, its root
/// loaded, a memory manager running.
struct SimulatedComputer: JobMachine {
  let machine: SimulatedMachine
  let manager: MemoryManager

  /// Why there is no such machine.
  enum Failure: Error, CustomStringConvertible {
    case machine(SimulatedMachineError)
    case memory(MemoryError)

    var description: String {
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
  private static var fullFlushThreshold: PageCount { PageCount(33) }

  /// A PC with so many bytes of RAM.
  init(memory byteCount: UInt64, mode: FreeMode = .strict) throws(Failure) {
    do throws(SimulatedMachineError) {
      machine = try SimulatedMachine(
        ram: RAMRegion.pc(byteCount: byteCount), fullFlushThreshold: Self.fullFlushThreshold)
    } catch {
      throw .machine(error)
    }
    do throws(MemoryError) {
      let bootstrap = try Bootstrap(
        memoryMap: try machine.memoryMap, window: machine.linearMap, linearMap: machine.linearMap,
        format: .x86_64FourLevel(hasGigabyteLeaves: true))
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

  mutating func store(_ value: UInt64, at address: VirtualAddress) -> Bool {
    do throws(Fault) {
      try machine.store(value, at: address)
      return true
    } catch {
      return false
    }
  }

  mutating func load(_ address: VirtualAddress) -> UInt64? {
    do throws(Fault) {
      return try machine.load(UInt64.self, at: address)
    } catch {
      return nil
    }
  }
}
