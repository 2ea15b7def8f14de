internal import CMachine
public import KernelMemory

/// Where an address leads, and what is permitted there.
public struct Translation: Equatable, Sendable {
  /// Of the byte, not of its page.
  public var physicalAddress: PhysicalAddress
  /// The size of the leaf, in bytes: 4 KiB, 2 MiB or 1 GiB.
  public var leafSize: UInt64
  public var isWritable: Bool
  public var isExecutable: Bool
  /// Whether code outside the supervisor has access.
  public var isUser: Bool
  public var isGlobal: Bool
  public var isDirty: Bool
  /// The index into IA32_PAT, 0 to 7, that selects the memory type (SDM 4.9.2).
  public var patIndex: UInt8

  init(_ leaf: Leaf, of address: UInt64) {
    let level = Int(leaf.level)
    physicalAddress = PhysicalAddress(leaf.physicalAddress(of: address))
    leafSize = 1 << pageShift(level: level)
    isWritable = leaf.rights.contains(.write)
    isExecutable = leaf.rights.contains(.execute)
    isUser = leaf.rights.contains(.user)
    isGlobal = leaf.entry.isGlobal
    isDirty = leaf.isDirty
    patIndex = leaf.entry.patIndex(level: level)
  }
}

extension SimulatedMachine {
  /// Walks the tables in RAM as they are now, from the root of `cpu`. Neither looks into what the CPU has
  /// cached nor changes it, and sets no flags and no counters. At most 4 steps.
  /// - Throws: `Fault`, as a read would; permissions are reported, not checked.
  public func translation(of address: VirtualAddress, cpu: Int = SimulatedMachine.currentCPU) throws(Fault)
    -> Translation
  {
    let request = Request(address: address.rawValue, access: .read)
    return Translation(try cpus[cpu].walkWithoutCaches(request), of: address.rawValue)
  }

  /// MOV to CR3: makes `root` the PML4 table of `cpu`. Drops what the CPU has cached, but not global
  /// leaves.
  /// - Throws: `badRoot`, where hardware would raise a general-protection fault or ignore bits.
  public func loadRoot(_ root: PhysicalAddress, cpu: Int = SimulatedMachine.currentCPU)
    throws(SimulatedMachineError)
  {
    guard root.isAligned(to: .size4K), root.rawValue >> UInt64(memory.physicalAddressBits) == 0 else {
      throw .badRoot(root)
    }
    cpus[cpu].loadRoot(root.rawValue)
  }

  /// INVLPG: drops the leaf that translates `address`, of any size and global or not, and every cached
  /// table.
  public func invalidatePage(at address: VirtualAddress, cpu: Int = SimulatedMachine.currentCPU) {
    cpus[cpu].invalidate(from: address.rawValue, through: address.rawValue)
  }

  /// Drops all that `cpu` has cached, global leaves included.
  public func flushAll(cpu: Int = SimulatedMachine.currentCPU) {
    cpus[cpu].flushAll()
  }

  /// `Machine.flush`: the CPU that the calling thread plays invalidates the ranges page by page, or
  /// everything where there is none.
  func flush(_ ranges: UnsafeBufferPointer<cmachine_range>) {
    for index in ranges.indices {
      let range = unsafe ranges[index]
      // The end of the last page of the address space is zero.
      let isEmpty = range.start == range.end
      guard isEmpty || range.end &- 1 >= range.start else { stop("flush: a range ends below its start") }
    }
    if ranges.isEmpty { callingCPU.flushAll() } else { unsafe callingCPU.flush(ranges) }
  }
}
