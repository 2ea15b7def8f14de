import BootReplay
import ComputerSimulation
import KernelMemory

@testable import SimulatedRun

/// A machine that is right but for one thing: each is what some broken machine or manager would do.
struct LyingMachine: JobMachine {
  enum Lie: CaseIterable, Sendable {
    case dropsOneStore, flipsOneBit, losesOnePage, refusesOneStore
    case readsGuards, writesGuards
    case keepsStaleLoads, keepsStaleStores
  }

  let computer: SimulatedComputer
  let lie: Lie
  private var stores = 0
  private var loads = 0

  init(_ lie: Lie, memory: UInt64 = 256 << 20) throws {
    computer = try SimulatedComputer(memory: memory)
    self.lie = lie
  }

  mutating func store(_ value: UInt64, at address: VirtualAddress) -> Bool {
    var computer = computer
    let area = computer.manager.area(containing: address)
    guard let area else { return lie == .keepsStaleStores || computer.store(value, at: address) }
    if area.guardRange.contains(address.number(.size4K)) {
      return lie == .writesGuards || computer.store(value, at: address)
    }
    stores += 1
    if lie == .dropsOneStore, stores == 1_000 { return true }
    if lie == .refusesOneStore, stores == 1_000 { return false }
    return computer.store(value, at: address)
  }

  mutating func load(_ address: VirtualAddress) -> UInt64? {
    var computer = computer
    let area = computer.manager.area(containing: address)
    guard let area else { return lie == .keepsStaleLoads ? 0 : computer.load(address) }
    if area.guardRange.contains(address.number(.size4K)) {
      return lie == .readsGuards ? 0 : computer.load(address)
    }
    loads += 1
    if lie == .flipsOneBit, loads == 1_000 { return computer.load(address).map { $0 ^ 1 << 40 } }
    if lie == .losesOnePage, loads == 1_000 { return nil }
    return computer.load(address)
  }
}

/// A right machine on which somebody else uses the manager too, once.
struct MeddlingMachine: JobMachine {
  enum Deed { case allocates, frees }

  let computer: SimulatedComputer
  private let deed: Deed
  private var isDone = false

  init(_ deed: Deed) throws {
    computer = try SimulatedComputer(memory: 64 << 20)
    self.deed = deed
  }

  mutating func store(_ value: UInt64, at address: VirtualAddress) -> Bool {
    var computer = computer
    return computer.store(value, at: address)
  }

  mutating func load(_ address: VirtualAddress) -> UInt64? {
    var computer = computer
    let isGuard = computer.manager.area(containing: address)?.pages.contains(address.number(.size4K)) == false
    if !isGuard, !isDone {
      isDone = true
      switch deed {
      case .allocates: _ = try? computer.manager.vmalloc(4096)
      case .frees: try? computer.manager.vfree(address.pointer)
      }
    }
    return computer.load(address)
  }
}
