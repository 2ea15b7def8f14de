// Named caches, and the reports of misuse.

extension MemoryManager {
  /// Makes a cache of objects of one size. Its objects are freed with `kfree`. O(caches).
  /// - Parameters:
  ///   - name: for reports; copied, and cut to 47 bytes.
  ///   - objectSize: the size of an object in bytes, 1 to 8 KiB less what hardening and a constructor add.
  ///   - alignment: of every object, in bytes; a power of two, at most a page.
  ///   - tag: who is charged for the objects.
  ///   - constructor: prepares each object once, when its slab is made; nil for none.
  ///   - context: passed to the constructor.
  /// - Throws: `sizeIsZero`, `sizeOverflow`, `blockTooLarge`, `badAlignment`, `tagUnavailable` for a tag that
  ///   does not exist, `cachesExhausted`, `wrongContext`.
  public func makeCache(
    named name: StaticString, objectSize: Int, alignment: UInt64 = 8, tag: Tag = .untagged,
    constructor: SlabCache.Constructor? = nil, context: UnsafeMutableRawPointer? = nil
  ) throws(MemoryError) -> SlabCache {
    var block = unsafe try cacheBlock(objectSize, alignment, tag, isConstructed: constructor != nil)
    unsafe (block.constructor, block.context) = unsafe (constructor, context)
    block.name = Tags.Name(name)
    return try makeCache(block)
  }

  private func makeCache(_ block: CacheBlock) throws(MemoryError) -> SlabCache {
    try entering { _ throws(MemoryError) in
      guard let cache = slab.makeCache(block) else {
        throw .cachesExhausted(limit: Slab.capacity - Slab.firstNamed)
      }
      return cache
    }
  }

  /// Checks what a cache is to be like.
  private func cacheBlock(
    _ objectSize: Int, _ alignment: UInt64, _ tag: Tag, isConstructed: Bool
  ) throws(MemoryError) -> CacheBlock {
    var options = KmallocOptions()
    options.alignment = alignment
    options.tag = tag
    _ = try counting { () throws(MemoryError) in try check(objectSize, options) }
    guard
      var block = CacheBlock(
        UInt(objectSize), UInt(alignment), isConstructed: isConstructed, slab.hardening, pageSize)
    else { throw failed(.blockTooLarge(limit: Int(SizeClass.largest))) }
    block.tag = tag
    return block
  }

  /// Allocates an object of a cache. O(1) from a magazine; O(orders + batch) where it is empty.
  /// - Parameters:
  ///   - cache: what `makeCache` returned.
  ///   - mayWait: whether the call may wait for other CPUs when memory is short.
  /// - Throws: `cacheUnavailable` where the cache was destroyed, `wrongContext`, `overQuota`,
  ///   `framesExhausted`, `wouldWait`.
  public func allocate(
    from cache: SlabCache, mayWait: Bool = true
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    guard slab.contains(cache) else { throw failed(.cacheUnavailable) }
    let number = Int(cache.number)
    var address = popObject(number, slab.caches[number].value.tag)
    if address == 0 { address = try allocateSlow(from: number, mayWait: mayWait) }
    return unsafe UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped
  }

  @inline(never)
  private func allocateSlow(from number: Int, mayWait: Bool) throws(MemoryError) -> UInt {
    let block = slab.caches[number]
    let (order, tag) = (block.value.layout.order, block.value.tag)
    return try retrying(mayWait: mayWait) { (cpu) throws(MemoryError) -> UInt in
      let address = slab.allocateSlow(number, asked: block.value.objectSize, tag: tag, cpu)
      guard address != Slab.overQuota else { throw tags.error(.overBytes, tag) }
      guard address != 0 else { throw .framesExhausted(got: .zero, of: PageCount(1 &<< UInt64(order))) }
      return address
    }
  }

  /// Destroys a cache none of whose objects is live; objects that lie in magazines of other CPUs are
  /// drained. Nobody may use the cache meanwhile.
  /// - Throws: `cacheUnavailable` where it was destroyed before, `cacheInUse`, `wouldWait` where objects are
  ///   in other CPUs' magazines and must not be waited for; with nothing changed.
  public func destroy(_ cache: SlabCache) throws(MemoryError) {
    if try entering({ (cpu) throws(MemoryError) in try drainAndEnd(cache, cpu) }) { return }
    guard drainAllCPUs(mayWait: true) else { throw failed(.wouldWait) }
    guard try entering({ cpu in slab.endCache(cache, cpu) }) else {
      throw failed(.cacheInUse(objects: try usage(of: cache).objects))
    }
  }

  /// - Returns: false where objects lie in other CPUs' magazines.
  private func drainAndEnd(_ cache: SlabCache, _ cpu: borrowing CPU) throws(MemoryError) -> Bool {
    guard slab.contains(cache) else { throw .cacheUnavailable }
    let objects = slab.usage(of: Int(cache.number), cpu).objects
    guard objects == 0 else { throw .cacheInUse(objects: objects) }
    slab.drain(Int(cache.number), downTo: 0, cpu)
    return slab.endCache(cache, cpu)
  }

  /// What a cache holds. O(CPUs).
  /// - Throws: `cacheUnavailable` where it was destroyed; `wrongContext` in an NMI that has interrupted this
  ///   package.
  public func usage(of cache: SlabCache) throws(MemoryError) -> SlabCacheUsage {
    try cpus.enter { (cpu) throws(MemoryError) in
      guard slab.contains(cache) else { throw .cacheUnavailable }
      return slab.usage(of: Int(cache.number), cpu)
    }
  }
}

// MARK: - Reports

extension MemoryManager {
  /// The newest misuses of kmalloc's memory, 32 at the most, the oldest first. O(reports).
  /// - Throws: `wrongContext` in an NMI that has interrupted this package, before `body` is called.
  public func forEachSlabReport(_ body: (SlabReport) -> Void) throws(MemoryError) {
    var number: UInt64 = 0
    while let report = try slabReport(from: &number) { body(report) }
  }

  private func slabReport(from number: inout UInt64) throws(MemoryError) -> SlabReport? {
    let (next, report) = try cpus.enter { cpu in
      slab.withReports(cpu) { reports in
        let wanted = max(number, reports.first)
        return (wanted &+ 1, wanted < reports.count ? reports[wanted] : nil)
      }
    }
    number = next
    return report
  }

  /// Writes one line for each report: what, where, in which cache, and who is charged.
  /// - Throws: `wrongContext` in an NMI that has interrupted this package, before anything is written.
  public func writeSlabReports(to sink: inout some TextSink) throws(MemoryError) {
    var number: UInt64 = 0
    while let report = try slabReport(from: &number) { write(report, to: &sink) }
  }

  private func write(_ report: SlabReport, to sink: inout some TextSink) {
    sink.write(report.kind.text)
    sink.write(" 0x")
    sink.write(hex: report.address.rawValue, width: 16)
    sink.write(" cache ")
    writeCacheName(report.cache, to: &sink)
    sink.write(" tag ")
    writeName(of: report.tag, to: &sink)
    sink.newline()
  }

  /// Writes the name of a cache by its number in a report: `kmalloc-64`, or that of a named cache; "-" for
  /// none.
  public func writeCacheName(_ number: Int?, to sink: inout some TextSink) {
    guard let number, (0..<Slab.capacity).contains(number) else { return sink.write("-") }
    guard number < SizeClass.count else { return slab.caches[number].value.name.write(to: &sink) }
    sink.write("kmalloc-")
    sink.write(decimal: UInt64(SizeClass.size(number)))
  }
}

extension SlabReport.Kind {
  fileprivate var text: StaticString {
    switch self {
    case .doubleFree: "double free"
    case .interiorFree: "free inside an object"
    case .foreignFree: "free of foreign memory"
    case .overflow: "overflow"
    case .writeAfterFree: "write after free"
    case .corruptLink: "corrupt link"
    }
  }
}
