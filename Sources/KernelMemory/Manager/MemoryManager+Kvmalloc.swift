// kvmalloc: kmalloc where that is cheap, else vmalloc. Up to a page it is always kmalloc, since an area would
// waste a page and its guard. Up to the threshold there is one try at kmalloc, without a drain, since
// physical memory fragments and a search for a large block costs more than page tables do. Above: vmalloc.

/// Which side memory comes from, and how hard is tried.
@frozen
public struct KvmallocPolicy: Sendable {
  /// The size in bytes above which `vmalloc` is used without a try at `kmalloc`: 64 KiB, the largest block of
  /// the fast lists with 4 KiB frames; a larger one has to be found in a zone, under its lock.
  public var threshold = 64 << 10
  /// Whether only the linear map will do.
  public var mustBeContiguous = false
  /// Whether the call may wait for other CPUs when memory is short; with interrupts off it never does.
  public var mayWait = true
  /// Bytes; a power of two, at most a page on the linear side.
  public var alignment: UInt64 = 8
  /// Who is charged.
  public var tag: Tag = .untagged

  /// Every property at its default.
  public init() {}
}

/// Where memory lies.
@frozen
public enum MemorySide: Equatable, Sendable {
  /// In the linear map: contiguous in physical memory.
  case linear
  /// In a range of `vmalloc`.
  case virtual
}

extension MemoryManager {
  /// Allocates `byteCount` bytes on the side that the policy prefers. Up to a page of them are always linear.
  /// O(pages). Legal in any context but an NMI.
  /// - Throws: as `kmalloc` and `vmalloc`, the error of the side that was tried last.
  public func kvmalloc(
    _ byteCount: Int, _ policy: KvmallocPolicy = KvmallocPolicy()
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    let isLinear = isLinear(byteCount, policy)
    let isTried = (isLinear || byteCount <= policy.threshold) && policy.alignment == 8
    let address = isTried ? pop(UInt(bitPattern: byteCount), policy.tag) : 0
    if address != 0 { return unsafe UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped }
    return unsafe try isLinear ? allocateSlow(byteCount, policy.linear) : allocate(byteCount, policy)
  }

  /// Allocates on either side: there is one try on the linear one, without a drain.
  private func allocate(
    _ byteCount: Int, _ policy: KvmallocPolicy
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    if byteCount <= policy.threshold, let request = try? check(byteCount, policy.linear),
      let address = try? cpus.enter({ (cpu) throws(MemoryError) in try allocate(request, cpu) })
    {
      return unsafe UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped
    }
    return unsafe try vmalloc(byteCount, policy.virtual)
  }

  /// Allocates `byteCount` bytes, all zero; in all else `kvmalloc`.
  public func kvzalloc(
    _ byteCount: Int, _ policy: KvmallocPolicy = KvmallocPolicy()
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    let pointer = unsafe try kvmalloc(byteCount, policy)
    unsafe forEachPiece(of: pointer, byteCount) { place, _, count in
      unsafe place.initializeMemory(as: UInt8.self, repeating: 0, count: count)
    }
    return unsafe pointer
  }

  /// Gives memory of `kvmalloc` another size, keeping its contents as far as they fit: in place where it has
  /// room, so that shrinking takes no memory and never fails for want of it; else by a copy, on the side that
  /// the policy prefers. O(bytes).
  ///
  /// Memory that stays in place keeps all of its pages: who wants back what a large one has too much of
  /// allocates anew. It does not stay where it lacks the alignment, or has to be contiguous and is not.
  /// - Throws: as `kvmalloc`, and `badFree`, which says what `kfree` and `vfree` say: `foreign` for an area
  ///   of `vmap`, too. Then the memory at `pointer` is as it was.
  public func kvrealloc(
    _ pointer: UnsafeMutableRawPointer?, _ byteCount: Int, _ policy: KvmallocPolicy = KvmallocPolicy()
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    guard let pointer = unsafe pointer else { return unsafe try kvmalloc(byteCount, policy) }
    guard let old = unsafe try resize(pointer, byteCount, policy) else { return unsafe pointer }
    return unsafe try move(pointer, min(old, byteCount), to: try kvmalloc(byteCount, policy))
  }

  /// Frees what one of the functions above returned, or `kmalloc`, or `vmalloc`; nil is ignored.
  /// - Throws: `badFree` and `wrongContext`, with nothing changed.
  public func kvfree(_ pointer: UnsafeMutableRawPointer?) throws(MemoryError) {
    guard let pointer = unsafe pointer else { return }
    if unsafe contains(VirtualAddress(pointer)) { return unsafe try vfree(pointer) }
    unsafe try kfree(pointer)
  }

  /// Where live memory of `kvmalloc` lies, interior addresses of vmalloc's included; nil for anything else,
  /// an area of `vmap` included. O(1).
  public func side(of pointer: UnsafeMutableRawPointer) -> MemorySide? {
    if let area = unsafe area(containing: VirtualAddress(pointer)) { return area.isBorrowed ? nil : .virtual }
    return unsafe ksize(of: pointer) == nil ? nil : .linear
  }

  /// Whether there is no second side: what fits a page wastes one there.
  private func isLinear(_ byteCount: Int, _ policy: KvmallocPolicy) -> Bool {
    policy.mustBeContiguous || byteCount <= Int(pageSize.bytes) && policy.alignment <= pageSize.bytes
  }
}

// MARK: - Another size

extension MemoryManager {
  /// Gives memory another size where it is.
  /// - Returns: nil where that is done; its old size where it has to be moved.
  private func resize(
    _ pointer: UnsafeMutableRawPointer, _ byteCount: Int, _ policy: KvmallocPolicy
  ) throws(MemoryError) -> Int? {
    guard byteCount > 0 else { throw failed(byteCount == 0 ? .sizeIsZero : .sizeOverflow) }
    guard policy.alignment.nonzeroBitCount == 1 else { throw failed(.badAlignment(policy.alignment)) }
    let address = unsafe VirtualAddress(pointer)
    guard contains(address) else { return unsafe try resize(pointer, byteCount, policy.linear) }
    let mayStay = !policy.mustBeContiguous && address.rawValue & (policy.alignment &- 1) == 0
    return try freeing { (cpu) throws(MemoryError) in
      try vmalloc.resize(address, to: mayStay ? byteCount : nil, cpu)
    }
  }
}

// MARK: - Contents, by way of the linear map

extension MemoryManager {
  /// Memory of either side in pieces that are contiguous in the linear map, each with its offset.
  private func forEachPiece(
    of pointer: UnsafeMutableRawPointer, _ byteCount: Int,
    _ body: (_ place: UnsafeMutableRawPointer, _ offset: Int, _ count: Int) -> Void
  ) {
    guard unsafe contains(VirtualAddress(pointer)) else { return unsafe body(pointer, 0, byteCount) }
    var offset = 0
    while offset < byteCount {
      let address = unsafe VirtualAddress(pointer + offset)
      let inPage = address.rawValue & pageSize.offsetMask
      let count = min(byteCount &- offset, Int(pageSize.bytes &- inPage))
      guard let frame = frame(at: address),
        let place = unsafe frames.table.address(of: frame).advanced(by: inPage)?.pointer
      else { return }
      unsafe body(place, offset, count)
      offset &+= count
    }
  }

  /// Copies memory of either side to what is new, and frees it.
  /// - Throws: `badFree` where somebody has freed it meanwhile; then the copy is freed.
  func move(
    _ pointer: UnsafeMutableRawPointer, _ count: Int, to copy: UnsafeMutableRawPointer
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    // The copy goes by way of the linear map.
    if let area = unsafe area(containing: VirtualAddress(pointer)) { cleanUncached(area.pages) }
    unsafe copyMemory(to: copy, from: pointer, count)
    do throws(MemoryError) {
      unsafe try kvfree(pointer)
    } catch {
      unsafe try kvfree(copy)
      throw error
    }
    return unsafe copy
  }

  private func copyMemory(
    to copy: UnsafeMutableRawPointer, from pointer: UnsafeMutableRawPointer, _ count: Int
  ) {
    unsafe forEachPiece(of: pointer, count) { source, start, length in
      unsafe forEachPiece(of: copy + start, length) { place, offset, part in
        unsafe place.copyMemory(from: source + offset, byteCount: part)
      }
    }
  }
}

extension KvmallocPolicy {
  var linear: KmallocOptions {
    var options = KmallocOptions()
    options.alignment = alignment
    options.tag = tag
    options.mayWait = mayWait
    return options
  }

  var virtual: VmallocOptions {
    var options = VmallocOptions()
    options.alignment = alignment
    options.tag = tag
    options.mayWait = mayWait
    return options
  }
}
