import KernelMemory

extension Growth {
  /// After a million random operations over 8,192 places, about half of which have an area then: of 1 to 16
  /// pages, and one in 64 of up to 512.
  func measureWithHistory() throws(MemoryError) -> Bool {
    let places = try AddressArray(count: 8_192, on: manager)
    var random = RandomNumbers(seed: 1_000_000)
    for _ in 0..<1_000_000 {
      let index = random.next(below: places.count)
      if places.has(index) {
        try places.free(index)
      } else {
        let pages = 1 + random.next(below: random.next(below: 64) == 0 ? 512 : 16)
        try places.allocate(index, byteCount: pages << 12)
      }
    }
    let isRight = try measure("growth_random")
    try places.freeAll()
    try places.end()
    return isRight
  }
}
