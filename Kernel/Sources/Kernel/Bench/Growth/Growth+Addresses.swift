import KernelMemory

extension Growth {
  /// In a range of 4 GiB of addresses, empty, and with 95 % and then 50 % of it in use: it is filled with
  /// areas of a page and its guard, and of these, others than are left are freed at random.
  func measureWithUsedAddresses() throws(MemoryError) -> Bool {
    var options = VmallocOptions()
    options.areas = try manager.makeAreas(AddressSpace.growthRange)
    let capacity = Int(AddressSpace.growthRange.count.rawValue / 2)
    var isRight = try measure("growth_range_empty", options)
    let live = try AddressArray(count: capacity, on: manager)
    for index in 0..<capacity { try live.allocate(index, byteCount: 4096, options) }
    var random = RandomNumbers(seed: 50)
    try thin(live, from: capacity, to: capacity * 95 / 100, &random)
    isRight = try measure("growth_range_95", options) && isRight
    try thin(live, from: capacity * 95 / 100, to: capacity * 50 / 100, &random)
    isRight = try measure("growth_range_50", options) && isRight
    try live.freeAll()
    try live.end()
    return isRight
  }

  private func thin(
    _ live: AddressArray, from count: Int, to limit: Int, _ random: inout RandomNumbers
  ) throws(MemoryError) {
    var left = count
    while left > limit {
      let index = random.next(below: live.count)
      guard live.has(index) else { continue }
      try live.free(index)
      left -= 1
    }
  }
}
