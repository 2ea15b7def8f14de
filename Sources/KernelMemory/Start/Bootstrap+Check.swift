internal import CMachine

// What a kernel has to do before it starts a manager, and can forget. Each would end in a fault far from
// its cause, and before there is a handler that could say so; here it has a name. The order is that in
// which one question needs the answer to another: nothing is read through an address before the tables that
// translate it are known to be in use.

extension Bootstrap {
  /// - Throws: `cpuCountUnsupported`, `notifyMissing`, `pagingNotPrepared`, `addressWidthDiffers`,
  ///   `rootNotLoaded`, `threadPointerUnusable`, `cpuNumberUnusable`.
  func checkCPU(of machine: Machine) throws(MemoryError) {
    guard (1...CPUs.limit).contains(machine.cpuCount) else {
      throw .cpuCountUnsupported(machine.cpuCount)
    }
    guard unsafe machine.cpuCount == 1 || machine.notify != nil else { throw .notifyMissing }
    try checkPaging(of: machine)
    if cmachine_number_is_in_block() { try check(threadPointer: cmachine_thread_pointer()) }
    let number = cmachine_cpu_number()
    guard number < UInt(machine.cpuCount) else {
      throw .cpuNumberUnusable(Int(clamping: number), count: machine.cpuCount)
    }
  }

  private func checkPaging(of machine: Machine) throws(MemoryError) {
    guard let check = unsafe machine.check else { return }
    let tables = cmachine_page_tables(root: UInt(root.rawValue), address_bits: UInt32(clamping: addressBits))
    switch unsafe check(machine.context, tables) {
    case cmachine_paging_ready: return
    case cmachine_paging_other_width: throw .addressWidthDiffers(formatBits: addressBits)
    case cmachine_paging_other_root: throw .rootNotLoaded(root)
    default: throw .pagingNotPrepared
    }
  }

  /// The word that the number is read from lies in a mapped page.
  private func check(threadPointer pointer: UInt) throws(MemoryError) {
    let address = VirtualAddress(UInt64(pointer))
    let number = VirtualAddress(UInt64(pointer &+ cmachine_number_offset()))
    guard pointer != 0, number.rawValue % 4 == 0,
      space.tables(through: space.linearMap).frame(at: number) != nil
    else { throw .threadPointerUnusable(address) }
  }
}
