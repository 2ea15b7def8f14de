// Checkpoints. A manager keeps all that it knows in the machine's RAM, so a machine that is put back to an
// earlier moment has the manager of that moment: a scheduler can start any number of runs from there,
// without starting the manager anew for each.

/// A machine at one moment: what its RAM holds, and what each CPU has loaded, cached and counted.
public struct Checkpoint {
  fileprivate let ram: [[UInt8]]
  fileprivate let cpus: [SimulatedCPU.State]
  fileprivate let places: [UInt64: SimulatedMachine.TablePlace]
}

extension SimulatedMachine {
  /// Makes every byte of RAM hold `byte`, as firmware leaves behind whatever it likes. O(RAM), which is
  /// committed.
  public func fillRAM(with byte: UInt8) { memory.fill(with: byte) }

  /// The machine as it is, while no CPU runs. O(RAM), and as many bytes: for small machines.
  public func checkpoint() -> Checkpoint {
    Checkpoint(ram: memory.contents, cpus: cpus.map(\.state), places: places)
  }

  /// Puts this machine back to a checkpoint that it has made, while no CPU runs. O(RAM).
  public func restore(_ checkpoint: Checkpoint) {
    memory.restore(checkpoint.ram)
    for (cpu, state) in zip(cpus, checkpoint.cpus) { cpu.state = state }
    places = checkpoint.places
    violation = nil
    for cpu in storeBuffers.indices { storeBuffers[cpu] = [] }
  }
}
