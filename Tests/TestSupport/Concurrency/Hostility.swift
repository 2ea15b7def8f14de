import MachineSimulator

@testable import KernelMemory

/// Machines that do all that an architecture permits.
enum Hostility: CaseIterable {
  /// MMUs that translate whatever they can, and forget nothing unasked.
  case greedy
  /// The same, on hardware that drops as little as any.
  case greedyAndLeastPromised
  /// MMUs that forget everything.
  case forgetful

  /// The play that `make` makes, on such a machine.
  func play(_ mode: FreeMode, _ make: (FreeMode) throws -> Play) throws -> Play {
    let hardware = self == .greedyAndLeastPromised ? Hardware.leastPromised : Hardware()
    var play = try Stage.$hardware.withValue(hardware) { try make(mode) }
    play.speculation = self == .forgetful ? .forgetful : .greedy
    return play
  }
}
