import KernelMemory

extension Growth {
  /// With 1, 1,000, 100,000 and 1,000,000 live areas of one page.
  func measureWithLiveAreas() throws(MemoryError) -> Bool {
    let live = try AddressArray(count: 1_000_000, on: manager)
    var count = 0
    var isRight = try measure("growth_live_1", live, upTo: 1, &count)
    isRight = try measure("growth_live_1000", live, upTo: 1_000, &count) && isRight
    isRight = try measure("growth_live_100000", live, upTo: 100_000, &count) && isRight
    isRight = try measure("growth_live_1000000", live, upTo: 1_000_000, &count) && isRight
    try live.freeAll()
    try live.end()
    return isRight
  }

  private func measure(
    _ name: StaticString, _ live: AddressArray, upTo limit: Int, _ count: inout Int
  ) throws(MemoryError) -> Bool {
    while count < limit {
      try live.allocate(count, byteCount: 4096)
      count += 1
    }
    return try measure(name)
  }
}
