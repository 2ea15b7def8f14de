// Checkpoints. A manager keeps all that it knows in the machine's RAM, so a machine that is put back to an
// earlier moment has the manager of that moment: a scheduler can start any number of runs from there,
// without starting the manager anew for each.

/// A machine at one moment: what its RAM holds, and what each CPU has loaded, cached and counted.
public struct Checkpoint {
  fileprivate let ram: [[UInt8]]
  fileprivate let cpus: [SimulatedCPU.State]
  fileprivate let places: [UInt64: SimulatedMachine.TablePlace]
  fileprivate let entries: [UInt64: UInt64]
  fileprivate let pendingEntries: [UInt64: Int]
  fileprivate let dataCache: DataCache.Contents?
}

extension SimulatedMachine {
  /// Makes every byte of RAM hold `byte`, as firmware leaves behind whatever it likes. O(RAM), which is
  /// committed.
  public func fillRAM(with byte: UInt8) {
    memory.hidden?.showAll()
    memory.fill(with: byte)
  }

  /// The machine as it is, while no CPU runs. O(RAM), and as many bytes: for small machines. Frames that are
  /// hidden are so no more, as after `restore`.
  public func checkpoint() -> Checkpoint {
    memory.hidden?.showAll()
    return Checkpoint(
      ram: memory.contents, cpus: cpus.map(\.state), places: places, entries: entries,
      pendingEntries: memory.pendingEntries, dataCache: memory.dataCache?.contents)
  }

  /// Puts this machine back to a checkpoint that it has made, while no CPU runs. O(RAM).
  public func restore(_ checkpoint: Checkpoint) {
    memory.hidden?.showAll()
    _ = memory.hidden?.takeTouch()
    memory.restore(checkpoint.ram)
    for (cpu, state) in zip(cpus, checkpoint.cpus) { cpu.state = state }
    places = checkpoint.places
    entries = checkpoint.entries
    memory.pendingEntries = checkpoint.pendingEntries
    if let contents = checkpoint.dataCache { memory.dataCache?.contents = contents }
    violation = nil
    for cpu in storeBuffers.indices { storeBuffers[cpu] = [] }
  }
}
