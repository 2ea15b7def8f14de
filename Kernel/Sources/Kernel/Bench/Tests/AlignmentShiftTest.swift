import KernelMemory

/// One page at a multiple of each power of two in turn. The range has no such address for the last of them:
/// the test is refused there, as the module's is on Linux, and must not be refused before.
struct AlignmentShiftTest: VmallocTest {
  /// The powers that an area was found for.
  private var served = 0

  var name: StaticString { "align_shift_alloc_test" }
  var row: StaticString? { nil }
  var loops: UInt64 { 1 }

  mutating func run(on manager: MemoryManager, _ watcher: inout some LoopWatcher) throws(MemoryError) {
    var options = VmallocOptions()
    for shift in 0..<UInt64.bitWidth {
      options.alignment = 1 << UInt64(shift)
      let memory = unsafe try manager.vmalloc(4096, options)
      served += 1
      unsafe try manager.vfree(memory)
    }
    watcher.look(manager)
  }

  func isRight(_ refusal: MemoryError?) -> Bool {
    guard case .rangeExhausted = refusal else { return false }
    return served == Self.fitting
  }

  /// The powers of which a multiple lies in the range.
  private static var fitting: Int {
    let range = AddressSpace.vmallocRange
    let last = range.end.rawValue - 2
    // From here on, multiples of which the last page of an area can be one lie lower than the range.
    var shift: UInt64 = 0
    while (last >> shift) << shift >= range.first.rawValue { shift += 1 }
    return Int(shift) + 12
  }
}
