internal import KernelMemory

// What a window must be. Bit 63 is what it is for; that page zero is not in it keeps null pointers faulting;
// that it has all RAM, and the right frames, makes the arithmetic of `allocate` right for every object.

extension RuntimeHeap {
  static func check(_ window: LinearMap, _ manager: MemoryManager) throws(RuntimeHeapError) {
    let base = window.base.rawValue
    // An identity map begins there, and frame zero is never handed out.
    guard base != 0 || manager.mapping(at: window.base) == nil else { throw .windowAtZero }
    let half: UInt64 = 1 << 63
    guard base < half else { throw .windowHasBit63(window.base) }
    guard window.limit.rawValue <= half &- base else { throw .windowHasBit63(VirtualAddress(half)) }
    var problem: RuntimeHeapError?
    manager.forEachMemoryRun { run in problem = problem ?? flaw(of: window, at: run, manager) }
    if let problem { throw problem }
  }

  /// What is wrong with the window where a run of frames belongs.
  private static func flaw(
    of window: LinearMap, at run: FrameRange, _ manager: MemoryManager
  ) -> RuntimeHeapError? {
    let pageSize = window.pageSize
    // Rounded down: a frame of which the window has a part is none that it reaches.
    let reach = window.limit.number(pageSize)
    guard run.end <= reach else { return .windowTooSmall(max(run.first, reach).address(pageSize)) }
    var frame = run.first
    while frame < run.end {
      let physical = frame.address(pageSize)
      let address = window.virtualAddress(of: physical)
      guard let leaf = manager.mapping(at: address), leaf.attributes.protection == .readWrite else {
        return .windowNotMapped(address)
      }
      let inLeaf = address.number(pageSize).rawValue &- leaf.pages.first.rawValue
      guard leaf.frame.rawValue &+ inLeaf == frame.rawValue else { return .windowNotMapped(address) }
      frame = FrameNumber(frame.rawValue &+ leaf.pages.count.rawValue &- inLeaf)
    }
    return nil
  }
}
