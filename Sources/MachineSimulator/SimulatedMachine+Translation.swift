internal import CMachine
public import KernelMemory

/// Where an address leads, and what is permitted there.
public struct Translation: Equatable, Sendable {
  /// Of the byte, not of its page.
  public var physicalAddress: PhysicalAddress
  /// The size of the page, or of the run of pages, in bytes.
  public var leafSize: UInt64
  public var isWritable: Bool
  public var isExecutable: Bool
  /// Whether code outside the supervisor has access.
  public var isUser: Bool
  public var isGlobal: Bool
  public var isDirty: Bool
  /// What selects the memory type: an index into IA32_PAT, 0 to 7 (SDM 4.9.2), or into MAIR_EL1, or PBMT.
  public var memoryType: UInt8

  init(_ leaf: Leaf, of address: UInt64) {
    physicalAddress = PhysicalAddress(leaf.physicalAddress(of: address))
    leafSize = 1 << UInt64(leaf.shift)
    isWritable = leaf.rights.contains(.write)
    isExecutable = leaf.rights.contains(.execute)
    isUser = leaf.rights.contains(.user)
    isGlobal = leaf.isGlobal
    isDirty = leaf.isDirty
    memoryType = leaf.memoryType
  }
}

extension SimulatedMachine {
  /// Walks the tables in RAM as they are now, from the root of `cpu`. Neither looks into what the CPU has
  /// cached nor changes it, and neither sets nor misses flags, and counts nothing. At most 5 steps.
  /// - Throws: `Fault`, as a read would; permissions are reported, not checked.
  public func translation(of address: VirtualAddress, cpu: Int = SimulatedMachine.currentCPU) throws(Fault)
    -> Translation
  {
    let request = Request(address: address.rawValue, access: .read)
    return Translation(try cpus[cpu].walkWithoutCaches(request), of: address.rawValue)
  }

  /// What is wrong with the linear map of `cpu`, by which the manager itself reaches RAM: in this process it
  /// goes round the MMU. Each frame for which `isManaged` says so must be mapped at its distance, writable
  /// and write-back. O(frames).
  /// - Returns: the first problem; nil where there is none.
  public func linearMapProblem(
    cpu: Int = SimulatedMachine.currentCPU, _ isManaged: (FrameNumber) -> Bool
  ) -> String? {
    for region in memory.regions {
      var at = region.start.rawValue & ~mmu.pageSize.offsetMask
      while at < region.start.rawValue + region.byteCount {
        guard isManaged(PhysicalAddress(at).number(mmu.pageSize)) else {
          at += mmu.pageSize.bytes
          continue
        }
        let address = linearMap.virtualAddress(of: PhysicalAddress(at))
        let found: Translation
        do { found = try translation(of: address, cpu: cpu) } catch { return "the linear map: \(error)" }
        guard found.physicalAddress.rawValue == at, found.isWritable, found.memoryType == 0 else {
          return "the linear map leads from 0x" + String(address.rawValue, radix: 16) + " to \(found)"
        }
        // The rest of the leaf is mapped alike.
        at = (at & ~(found.leafSize - 1)) + found.leafSize
      }
    }
    return nil
  }

  /// MOV to CR3: makes `root` the table of the highest level of `cpu`; on AArch64 both halves of it. Drops
  /// what the CPU has cached, but not global leaves.
  /// - Throws: `badRoot`, where hardware would raise a general-protection fault or ignore bits.
  public func loadRoot(_ root: PhysicalAddress, cpu: Int = SimulatedMachine.currentCPU)
    throws(SimulatedMachineError)
  {
    guard root.isAligned(to: mmu.pageSize), root.rawValue >> UInt64(memory.physicalAddressBits) == 0 else {
      throw .badRoot(root)
    }
    changing(cpu) { cpus[cpu].loadRoot(root.rawValue) }
    showEntries()
    if hasEntryRules && places[root.rawValue] == nil { learnTables() }
  }

  /// INVLPG, TLBI VAAE1, SFENCE.VMA: drops the leaf that translates `address`, of any size and global or not,
  /// and cached tables as the hardware has it (`Hardware.tableDrop`).
  public func invalidatePage(at address: VirtualAddress, cpu: Int = SimulatedMachine.currentCPU) {
    changing(cpu) { cpus[cpu].invalidate(from: address.rawValue, through: address.rawValue) }
  }

  /// Drops all that `cpu` has cached, global leaves included.
  public func flushAll(cpu: Int = SimulatedMachine.currentCPU) {
    changing(cpu) { cpus[cpu].flushAll() }
  }

  /// `Machine.afterMap`: no CPU takes a page of the range for absent any more. Not where CPUs run freely.
  func afterMap(_ range: cmachine_range) {
    releaseStores()
    guard range.start != range.end else { return showEntries() }
    let (first, last) = (UInt64(range.start), UInt64(range.end &- 1))
    showEntries(onTheWayTo: first, through: last)
    for cpu in cpus { cpu.rememberPresent(from: first, through: last) }
  }

  /// `Machine.flush`: the CPU that the calling thread plays invalidates the ranges page by page, or
  /// everything where there is none; where invalidations are broadcast, all CPUs do, and others may run
  /// while it is on its way.
  func flush(_ ranges: UnsafeBufferPointer<cmachine_range>) {
    for index in ranges.indices {
      let range = unsafe ranges[index]
      // The end of the last page of the address space is zero.
      let isEmpty = range.start == range.end
      guard isEmpty || range.end &- 1 >= range.start else { stop("flush: a range ends below its start") }
    }
    // Entries are to be seen before the flush.
    releaseStores()
    showEntries()
    _ = callingCPU
    guard hardware.broadcastsFlushes else { return unsafe flush(ranges, on: Self.currentCPU) }
    for cpu in cpus.indices {
      unsafe flush(ranges, on: cpu)
      cmachine_step(cmachine_step_flush_begun)
    }
  }

  private func flush(_ ranges: UnsafeBufferPointer<cmachine_range>, on number: Int) {
    let cpu = cpus[number]
    changing(number) { if ranges.isEmpty { cpu.flushAll() } else { unsafe cpu.flush(ranges) } }
  }
}
