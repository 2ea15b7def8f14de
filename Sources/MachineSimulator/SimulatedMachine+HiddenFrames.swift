internal import CHost
@unsafe @preconcurrency internal import CMachine
public import KernelMemory

extension SimulatedMachine {
  /// Says which page frames are on the manager's free lists: whether nobody may touch them, the manager
  /// itself included. Set, the process may touch none that the manager frees from then on, or that is hidden,
  /// until it is on no list again; where the manager, or anything else that goes round the CPUs, does,
  /// `takeViolation` has it. Set and changed while no CPU runs. It is asked in the middle of an access, by a
  /// signal handler: it only reads, and only what the manager may touch.
  ///
  /// Nothing is hidden in machines with more than 64 MiB, where CPUs run freely, where the memory order is
  /// not strong, and where the cache is not coherent.
  public var isFrameListed: ((FrameNumber) -> Bool)? {
    get { frameLists }
    set {
      if frameLists != nil { FreedFrames.remove(self) }
      memory.hidden?.showAll()
      frameLists = newValue
      memory.hidden = newValue == nil ? nil : HiddenFrames(memory)
      if newValue != nil { FreedFrames.add(self) }
    }
  }

  /// Hides frames that were freed before `isFrameListed` was set, or before a checkpoint. O(frames).
  /// - Parameters:
  ///   - first: the first of them.
  ///   - count: how many.
  ///   - stayZero: whether they are handed out as they are, so that only writes are mistakes.
  public func hide(_ first: FrameNumber, count: PageCount, stayZero: Bool = false) {
    guard memoryOrder == .strong, !hasIncoherentCache, !(StepHandler.current?.runsFreely ?? false) else {
      return
    }
    memory.hidden?.hide(first, count: Int(count.rawValue), stayZero ? .writes : .all)
  }

  /// What was found meanwhile becomes a violation.
  func reportTouch() {
    guard let touch = memory.hidden?.takeTouch() else { return }
    let verb = touch.isWrite ? "written" : "read"
    report(
      "frame \(touch.frame.rawValue) was \(verb) through the linear map while it was free", cpu: touch.cpu)
  }
}

/// The machines that are told of frames that are free, and of uses of those.
enum FreedFrames {
  private static let machines = MachinesByAddress()

  private static let handler: Void = {
    let error = chost_set_fault_hook { address in FreedFrames.meet(UInt(address)) }
    if error != 0 { stop("no signal handler: errno \(error)") }
  }()

  /// `machine` must call `remove` before it ends.
  static func add(_ machine: SimulatedMachine) {
    handler
    machines.add(machine) {
      cmachine_set_memory_freed_hook { address, byteCount, staysZero in
        FreedFrames.wereFreed(UInt(address), UInt64(byteCount), staysZero)
      }
    }
  }

  static func remove(_ machine: SimulatedMachine) {
    machines.remove(machine) { cmachine_set_memory_freed_hook(nil) }
  }

  private static func wereFreed(_ address: UInt, _ byteCount: UInt64, _ stayZero: Bool) {
    // The lock of the list would order threads that nothing else orders, and hide their races.
    guard !(StepHandler.current?.runsFreely ?? false),
      let (machine, address) = machines.machine(at: address)
    else { return }
    machine.hide(
      PhysicalAddress(address).number(machine.mmu.pageSize),
      count: PageCount(bytes: byteCount, machine.mmu.pageSize), stayZero: stayZero)
  }

  /// In the middle of an access of the manager, which holds no lock of the process and is inside no
  /// allocation.
  private static func meet(_ address: UInt) -> Bool {
    guard let (machine, address) = machines.machine(at: address), let hidden = machine.memory.hidden,
      let isListed = machine.isFrameListed
    else { return false }
    return hidden.meet(PhysicalAddress(address).number(machine.mmu.pageSize), isFree: isListed)
  }
}
