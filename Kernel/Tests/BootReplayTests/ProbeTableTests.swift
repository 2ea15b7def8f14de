import Testing

@testable import BootReplay

@Suite struct ProbeTableTests {
  private func area(_ key: UInt64, _ value: UInt64) -> LiveArea {
    LiveArea(recorded: key, byteCount: value, line: 0)
  }

  /// Random insertions and removals against a dictionary; few keys, so that probe runs are long and wrap.
  @Test(arguments: [1, 2, 3, 8, 61, 64] as [Int])
  func agreesWithADictionary(capacity: Int) throws {
    try withTable(capacity: capacity) { table in
      var generator = SplitMix(state: UInt64(capacity))
      var model: [UInt64: UInt64] = [:]
      for step in 0..<4_000 as Range<UInt64> {
        let key = 4096 * (1 + generator.next() % UInt64(capacity * 2))
        if let slot = table.find(key) {
          #expect(model[key] == table[slot].byteCount)
          table.remove(at: slot)
          model[key] = nil
        } else {
          #expect(model[key] == nil)
          let inserted = table.insert(area(key, step)) != nil
          #expect(inserted == (model.count < capacity))
          if inserted { model[key] = step }
        }
        #expect(table.count == model.count)
      }
      for (key, value) in model { #expect(table.find(key).map { table[$0].byteCount } == value) }
      table.removeAll()
      #expect(table.count == 0 && model.keys.allSatisfy { table.find($0) == nil })
    }
  }

  @Test func tooLittleMemoryMakesNoTable() {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 16)
    defer { memory.deallocate() }
    var rest = memory
    #expect(ProbeTable<LiveArea>(capacity: 64, in: &rest) == nil)
    #expect(rest.count == 64)
  }

  @Test func theKeyOfVacantSlotsIsRefused() throws {
    try withTable(capacity: 4) { table in #expect(table.insert(.vacant) == nil) }
  }
}

struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }
}
