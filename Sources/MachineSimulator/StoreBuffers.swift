@unsafe @preconcurrency internal import CMachine  // its variables are one a thread
internal import KernelMemory

// Store buffers. A weakly ordered CPU may let others see its relaxed stores late, and in another order than
// it made them; a store that releases, and an update that does, come after all before them. Two extremes
// again, for programs that `Scheduler` runs:
//
//     delayed     a store is seen when it must be: at a release, or when its CPU waits, is idle, or asks the
//                 machine for something
//     reversed    at each step the newest store is seen, and those before it stay behind
//
// Loads are made in order. Page walks see what is in memory, and an access sees all stores of its own CPU.
// The core takes part in builds with the trait `Ablations` (WeakAtomic.swift); what is written there without
// an atomic is seen at once.

/// When the CPUs of a simulated machine see each other's stores.
public enum MemoryOrder: Sendable {
  case strong, delayed, reversed
}

/// A store that its CPU alone has seen.
struct PendingStore {
  let address: UInt
  let value: UInt64
  let size: UInt

  func make() { cmachine_atomic_store(address, size, UInt(value)) }
}

extension SimulatedMachine {
  /// Lets others see all that the CPU which the calling thread plays has stored: what a release does, in a
  /// program that hands something over by other means than memory of the machine.
  public func releaseStores() {
    guard memoryOrder != .strong else { return }
    releaseStores(of: Self.currentCPU)
  }

  func releaseStores(of cpu: Int) {
    for store in storeBuffers[cpu] { store.make() }
    storeBuffers[cpu].removeAll(keepingCapacity: true)
  }

  /// What becomes of a CPU's stores at one of its steps.
  func drainStores(of cpu: Int, at step: Step) {
    switch memoryOrder {
    case .strong: break
    case _ where step.isWaiting || step == .idle: releaseStores(of: cpu)
    case .delayed: break
    case .reversed: storeBuffers[cpu].popLast()?.make()
    }
  }

  fileprivate func keep(_ store: PendingStore, releases: Bool) -> Bool {
    let start = UInt(memory.base.rawValue)
    guard store.address >= start, store.address < start + UInt(memory.limit.rawValue) else { return false }
    let cpu = Self.currentCPU
    if releases {
      releaseStores(of: cpu)
      return false
    }
    // Stores to one place are seen in order.
    storeBuffers[cpu].removeAll { $0.address == store.address }
    storeBuffers[cpu].append(store)
    return true
  }

  fileprivate func kept(at address: UInt) -> UInt64? {
    storeBuffers[Self.currentCPU].first { $0.address == address }?.value
  }

  fileprivate func beforeUpdate(at address: UInt, releases: Bool) {
    let cpu = Self.currentCPU
    if releases { return releaseStores(of: cpu) }
    guard let index = storeBuffers[cpu].firstIndex(where: { $0.address == address }) else { return }
    storeBuffers[cpu].remove(at: index).make()
  }
}

/// The model that threads of a scheduled run ask, each for the machine of its run.
@safe
enum StoreModel {
  nonisolated(unsafe) private static let model = {
    let model = UnsafeMutablePointer<cmachine_memory_model>.allocate(capacity: 1)
    unsafe model.initialize(
      to: cmachine_memory_model(
        keep_store: { address, value, size, releases in
          let store = PendingStore(address: address, value: UInt64(value), size: size)
          return StepHandler.current?.weakMachine?.keep(store, releases: releases) ?? false
        },
        load_kept: { address, value in
          guard let kept = StepHandler.current?.weakMachine?.kept(at: address) else { return false }
          unsafe value?.pointee = UInt(kept)
          return true
        },
        before_update: { address, releases in
          StepHandler.current?.weakMachine?.beforeUpdate(at: address, releases: releases)
        }))
    return unsafe UnsafePointer(model)
  }()

  /// Has the calling thread's atomics ask its step handler's machine, or nobody.
  static func use(_ isUsed: Bool) { unsafe cmachine_model = isUsed ? model : nil }
}
