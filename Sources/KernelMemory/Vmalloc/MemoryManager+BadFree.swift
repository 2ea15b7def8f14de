extension MemoryManager {
  /// What is wrong with an address that is not the first byte of a live area of `vmalloc`.
  @inline(never)
  func problem(freeing address: VirtualAddress) -> BadFree {
    let page = address.number(pageSize)
    guard let instance = areas.instance(containing: page) else { return .foreign }
    guard let area = instance.find(page) else { return .alreadyFree }
    if areas.pool[area].value.borrowingGeneration != nil { return .foreign }
    guard areas.pool[area].value.liveGeneration != nil else { return .alreadyFree }
    let descriptor = areas.pool[area]
    if !descriptor.value.pages.contains(page) { return .guardPage }
    guard page.rawValue == descriptor.value.first else { return .interior }
    // First byte and aligned: another CPU is freeing it right now.
    return address.isAligned(to: pageSize) ? .alreadyFree : .unaligned
  }
}
