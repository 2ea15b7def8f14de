public import KernelMemory

/// The machine that the job runs on, as a program sees it: words at virtual addresses, which are there or
/// fault. A store or load goes through the MMU, real or simulated, and a fault comes back as an answer.
public protocol JobMachine {
  /// Stores a word; false where that faults.
  mutating func store(_ value: UInt64, at address: VirtualAddress) -> Bool
  /// Loads a word; nil where that faults.
  mutating func load(_ address: VirtualAddress) -> UInt64?
}
