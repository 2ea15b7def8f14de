public import KernelMemory

// A heap for Swift's own objects: classes, arrays, strings, closures
//
// It is kmalloc, seen through a second mapping of RAM: the object window. Embedded Swift takes every address
// with bit 63 set for that of an object that is never freed, and the linear map of a 64-bit kernel lies up
// there. So what kmalloc returns is handed out at the window's address of the same frame, and what comes back
// is taken to the linear map's before kfree sees it: a subtraction and an addition each way.
//
//     linear map   0xffff_8880_0000_0000 + physical     page tables, metadata, kmalloc
//     window       0x0000_4000_0000_0000 + physical     the same bytes, for Swift's objects
//
// The runtime asks for alignments, mostly of 16. kmalloc gives an object whose size is a multiple of a power
// of two that alignment as it is (SizeClass), so the size is rounded up here and the usual, short way taken.
//
// All that kmalloc says of contexts holds here: any CPU, interrupt handlers, but no NMI. A Swift program does
// not see where it allocates, under a lock of the kernel's maybe, for which another CPU spins with interrupts
// off: so the heap waits for no CPU, unless `start` is told that it may.
//
// No object is larger than kmalloc's largest block, 4 MiB, and so no array: larger memory comes from vmalloc,
// and has bit 63 set. Raw memory of vmalloc holds what is larger, without objects in it.

/// The heap of the Swift runtime, on a manager's kmalloc.
@safe
public struct RuntimeHeap {
  /// Why an allocation failed, as `posix_memalign` returns it.
  public enum Failure: Int32, Error, Sendable {
    /// Not a power of two, less than a pointer's, or more than the window's base has.
    case badAlignment = 22
    /// Memory is short, the tag is over its quota, or the size or the alignment is above 4 MiB.
    case outOfMemory = 12
    /// In an NMI that has interrupted the memory manager.
    case wrongContext = 11
  }

  /// What becomes of the Swift runtime when there is no memory for an object. It has no way to go on, and
  /// traps on a null pointer without a word.
  public enum Exhaustion: Sendable {
    /// The machine ends through `Machine.fatal`, which is told the size, who is charged, and why.
    case stop
    /// `posix_memalign` returns an error: for callers that are not Swift's runtime.
    case refuse
  }

  private let manager: MemoryManager
  private let options: KmallocOptions
  private let isChecked: Bool
  private let pageBytes: UInt
  private let linearBase: UInt
  private let windowBase: UInt
  private let windowBytes: UInt
  let exhaustion: Exhaustion

  /// Makes a heap; `start` gives it to the Swift runtime. O(frames).
  /// - Parameters:
  ///   - manager: whose kmalloc serves it.
  ///   - window: where all RAM that the manager hands out is mapped a second time, read-write, with bit 63 of
  ///     every address clear. It must be present in every address space.
  ///   - mayWait: whether an allocation may wait for other CPUs when memory is short; with interrupts off it
  ///     never
  ///     does. Never under a lock that a CPU with interrupts off may wait for.
  ///   - exhaustion: what happens when memory is short.
  /// - Throws: see `RuntimeHeapError`.
  public init(
    on manager: MemoryManager, window: LinearMap, mayWait: Bool = false, exhaustion: Exhaustion = .stop
  ) throws(RuntimeHeapError) {
    try Self.check(window, manager)
    self.manager = manager
    self.exhaustion = exhaustion
    isChecked = manager.isChecked
    pageBytes = UInt(window.pageSize.bytes)
    linearBase = UInt(manager.linearAddress(of: FrameNumber(0)).rawValue)
    windowBase = UInt(window.base.rawValue)
    windowBytes = UInt(window.limit.rawValue)
    var options = KmallocOptions()
    options.mayWait = mayWait
    do throws(MemoryError) { options.tag = try manager.makeTag(named: "swift") } catch {
      throw .memory(error)
    }
    self.options = options
  }
}

// MARK: - Handing out and taking back

extension RuntimeHeap {
  /// Memory for an object, at an address of the window. Its contents are unspecified. As `kmalloc`.
  /// - Parameters:
  ///   - byteCount: zero to 4 MiB; zero gives memory, too, as for one byte.
  ///   - alignment: a power of two from that of a pointer to 4 MiB, in bytes. Above a page it is had by a
  ///     block of
  ///     at least so many bytes.
  /// - Throws: `badAlignment`, `outOfMemory`, `wrongContext`.
  // Inlined, so that the heap is not copied for the call.
  @inline(__always)
  public func allocate(
    _ byteCount: Int, alignment: Int
  ) throws(Failure) -> UnsafeMutableRawPointer {
    do throws(MemoryError) {
      return unsafe try allocate(bytes: UInt(bitPattern: byteCount), alignment: UInt(bitPattern: alignment))
    } catch {
      throw Failure(error)
    }
  }

  /// Allocates memory, and throws the reason where it cannot.
  @inline(__always)
  func allocate(bytes: UInt, alignment: UInt) throws(MemoryError) -> UnsafeMutableRawPointer {
    // A size that is no sum with an alignment is none that kmalloc has, either.
    guard alignment & (alignment &- 1) == 0, alignment >= UInt(MemoryLayout<UInt>.size), bytes < largest
    else { throw Self.refusal(bytes, alignment) }
    let size = max(bytes, 1)
    let rounded = (size &+ alignment &- 1) & ~(alignment &- 1)
    let memory =
      unsafe try alignment > pageBytes
      ? Self.allocateAligned(rounded, alignment, windowBase | linearBase, options, manager)
      : isChecked
        ? Self.allocateChecked(size, alignment, options, manager)
        : manager.kmalloc(Int(bitPattern: rounded), options)
    let address = UInt(bitPattern: memory) &- linearBase &+ windowBase
    return unsafe UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped
  }

  /// Takes back what `allocate` returned; nil is ignored. As `kfree`.
  /// - Throws: `badFree`, with nothing changed, for anything else: `foreign` for an address outside the
  ///   window, and for memory that another has from kmalloc; `wrongContext` in an NMI that has interrupted
  ///   the manager.
  // Inlined, as `allocate` is.
  @inline(__always)
  public func deallocate(_ pointer: UnsafeMutableRawPointer?) throws(MemoryError) {
    guard let pointer = unsafe pointer else { return }
    let offset = UInt(bitPattern: pointer) &- windowBase
    guard offset < windowBytes else { throw .badFree(.foreign) }
    unsafe try manager.kfree(
      UnsafeMutableRawPointer(bitPattern: linearBase &+ offset), chargedTo: options.tag)
  }

  /// The first size that is refused without asking, so that no sum with an alignment overflows.
  @inline(__always)
  private var largest: UInt { 1 &<< 31 }

  @inline(never)
  private static func refusal(_ bytes: UInt, _ alignment: UInt) -> MemoryError {
    alignment.nonzeroBitCount == 1 && alignment >= UInt(MemoryLayout<UInt>.size)
      ? .blockTooLarge(limit: MemoryManager.largestBlock) : .badAlignment(UInt64(alignment))
  }

  /// A block, which is aligned to its own size, as far as the `bases` of both mappings are.
  @inline(never)
  private static func allocateAligned(
    _ rounded: UInt, _ alignment: UInt, _ bases: UInt, _ options: KmallocOptions, _ manager: MemoryManager
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    guard alignment <= UInt(MemoryManager.largestBlock) else {
      throw .blockTooLarge(limit: MemoryManager.largestBlock)
    }
    guard bases & (alignment &- 1) == 0 else { throw .badAlignment(UInt64(alignment)) }
    return unsafe try manager.kmalloc(Int(bitPattern: rounded), options)
  }

  /// In checked mode bytes behind the object are watched, and the manager must be told where it ends.
  @inline(never)
  private static func allocateChecked(
    _ byteCount: UInt, _ alignment: UInt, _ options: KmallocOptions, _ manager: MemoryManager
  ) throws(MemoryError) -> UnsafeMutableRawPointer {
    var options = options
    options.alignment = UInt64(alignment)
    return unsafe try manager.kmalloc(Int(bitPattern: byteCount), options)
  }
}

extension RuntimeHeap.Failure {
  init(_ error: MemoryError) {
    self =
      switch error {
      case .badAlignment: .badAlignment
      case .wrongContext: .wrongContext
      default: .outOfMemory
      }
  }
}

// MARK: - Usage

/// What a heap has handed out.
public struct RuntimeHeapUsage: Equatable, Sendable {
  public var allocations: UInt64 = 0
  public var frees: UInt64 = 0
  /// Of the live objects, as kmalloc rounds them.
  public var liveBytes: UInt64 = 0

  /// Zero where frees on other CPUs were seen, and not the allocations before them.
  public var liveObjects: UInt64 { allocations > frees ? allocations &- frees : 0 }
}

extension RuntimeHeap {
  /// What was handed out and came back, as the tag has it. Exact where no CPU allocates meanwhile. O(CPUs).
  public var usage: RuntimeHeapUsage {
    let charged = manager.usage(of: tag)
    return RuntimeHeapUsage(
      allocations: charged.objectsAllocated, frees: charged.objectsFreed, liveBytes: charged.liveBytes)
  }

  /// Who the objects are charged to: a tag named "swift".
  public var tag: Tag { options.tag }

  /// Ends the machine with a message, through the manager.
  func stop(_ message: StaticString) -> Never { manager.stop(message) }

  /// Ends the machine because there is no memory for an object.
  func stop(_ error: MemoryError, _ byteCount: UInt, alignment: UInt) -> Never {
    manager.stop { message in
      message.write("the Swift runtime's heap: no memory for ")
      message.write(decimal: UInt64(byteCount))
      message.write(" bytes aligned to ")
      message.write(decimal: UInt64(alignment))
      message.write(", charged to ")
      manager.writeName(of: tag, to: &message)
      message.write(": ")
      message.write(error)
      if case .blockTooLarge = error {
        message.write("; no object is larger, since the addresses of vmalloc have bit 63 set")
      }
    }
  }
}
