import KernelMemory

extension Growth {
  /// With 95 % and then 50 % of the frames in use. More are taken first, one by one, and given back in random
  /// order, so that what is free is in pieces.
  func measureWithUsedMemory() throws(MemoryError) -> Bool {
    // What earlier frees hold back is in use, too, and would come back later.
    try manager.flushRetired()
    let managed = manager.managedFrames
    var frames = try TakenFrames(limit: Int(managed), on: manager)
    var random = RandomNumbers(seed: 95)
    try frames.take(upToUsed: managed * 99 / 100)
    try frames.giveBack(downToUsed: managed * 95 / 100, &random)
    var isRight = try measure("growth_memory_95")
    try frames.giveBack(downToUsed: managed * 50 / 100, &random)
    isRight = try measure("growth_memory_50") && isRight
    try frames.end(&random)
    return isRight
  }
}
