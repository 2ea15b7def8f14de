extension MemoryManager {
  /// What is wrong with an address that is not the first byte of a live area of `vmalloc`.
  @inline(never)
  func problem(freeing address: VirtualAddress) -> BadFree {
    let page = address.number(pageSize)
    guard let arena = arenas.arena(containing: page) else { return .foreign }
    guard let area = arena.find(page) else { return .alreadyFree }
    if arenas.pool[area].value.borrowingGeneration != nil { return .foreign }
    guard arenas.pool[area].value.liveGeneration != nil else { return .alreadyFree }
    let descriptor = arenas.pool[area]
    if !descriptor.value.pages.contains(page) { return .guardPage }
    guard page.rawValue == descriptor.value.first else { return .interior }
    // First byte and aligned: another CPU is freeing it right now.
    return address.isAligned(to: pageSize) ? .alreadyFree : .unaligned
  }
}
