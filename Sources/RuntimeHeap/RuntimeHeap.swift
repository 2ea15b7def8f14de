public import KernelMemory

// A heap for Swift's own objects: classes, arrays, strings, closures
//
// It is kmalloc, seen through a second mapping of RAM: the object window. Embedded Swift takes every
// address with bit 63 set for that of an object that is never freed, and the linear map of a 64-bit kernel lies
// up there. So what kmalloc returns is handed out at the window's address of the same frame, and what comes
// back is taken to the linear map's before kfree sees it: a subtraction and an addition each way.
//
//     linear map   0xffff_8880_0000_0000 + physical     page tables, metadata, kmalloc
//     window       0x0000_4000_0000_0000 + physical     the same bytes, for Swift's objects
//
// The runtime asks for alignments, mostly of 16. kmalloc gives an object whose size is a multiple of a power of
// two that alignment as it is (SizeClass), so the size is rounded up here and the usual, short way taken.
//
// All that kmalloc says of contexts holds here: any CPU, interrupt handlers, but no NMI.

/// The heap of the Swift runtime, on a manager's kmalloc.
@safe
public struct RuntimeHeap {
  /// Why an allocation failed, as `posix_memalign` returns it.
  public enum Failure: Int32, Error, Sendable {
    /// Not a power of two, or less than a pointer's.
    case badAlignment = 22
    /// Memory is short, or the size is above 4 MiB, or the alignment above a page.
    case outOfMemory = 12
  }

  private let manager: MemoryManager
  private let options: KmallocOptions
  private let isChecked: Bool
  private let pageBytes: UInt
  private let linearBase: UInt
  private let windowBase: UInt
  private let windowBytes: UInt

  /// Makes a heap; `start` gives it to the Swift runtime. O(frames).
  /// - Parameters:
  ///   - manager: whose kmalloc serves it.
  ///   - window: where all RAM that the manager hands out is mapped a second time, read-write, with bit 63 of
  ///     every address clear. It must be present in every address space.
  /// - Throws: see `RuntimeHeapError`.
  public init(on manager: MemoryManager, window: LinearMap) throws(RuntimeHeapError) {
    try Self.check(window, manager)
    self.manager = manager
    isChecked = manager.isChecked
    pageBytes = UInt(window.pageSize.bytes)
    linearBase = UInt(manager.linearAddress(of: FrameNumber(0)).rawValue)
    windowBase = UInt(window.base.rawValue)
    windowBytes = UInt(window.limit.rawValue)
    var options = KmallocOptions()
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
  ///   - alignment: a power of two from that of a pointer to a page, in bytes.
  /// - Throws: `badAlignment`, `outOfMemory`.
  // Inlined, so that the heap is not copied for the call.
  @inline(__always)
  public func allocate(
    _ byteCount: Int, alignment: Int
  ) throws(Failure) -> UnsafeMutableRawPointer {
    let alignment = UInt(bitPattern: alignment)
    guard alignment & (alignment &- 1) == 0, alignment >= UInt(MemoryLayout<UInt>.size) else {
      throw .badAlignment
    }
    // A size that is no sum with an alignment is none that kmalloc has, either.
    guard alignment <= pageBytes, UInt(bitPattern: byteCount) < UInt(Int32.max) else { throw .outOfMemory }
    let size = max(UInt(bitPattern: byteCount), 1)
    let rounded = (size &+ alignment &- 1) & ~(alignment &- 1)
    let memory =
      unsafe try isChecked
      ? Self.allocateChecked(size, alignment, options, manager)
      : Self.allocate(rounded, options, manager)
    let address = UInt(bitPattern: memory) &- linearBase &+ windowBase
    return unsafe UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped
  }

  /// Takes back what `allocate` returned; nil is ignored. As `kfree`.
  /// - Throws: `badFree`, with nothing changed, for anything else: `foreign` for an address outside the window.
  public func deallocate(_ pointer: UnsafeMutableRawPointer?) throws(MemoryError) {
    guard let pointer = unsafe pointer else { return }
    let offset = UInt(bitPattern: pointer) &- windowBase
    guard offset < windowBytes else { throw .badFree(.foreign) }
    unsafe try manager.kfree(UnsafeMutableRawPointer(bitPattern: linearBase &+ offset))
  }

  @inline(__always)
  private static func allocate(
    _ byteCount: UInt, _ options: KmallocOptions, _ manager: MemoryManager
  ) throws(Failure) -> UnsafeMutableRawPointer {
    do throws(MemoryError) {
      return unsafe try manager.kmalloc(Int(bitPattern: byteCount), options)
    } catch {
      throw .outOfMemory
    }
  }

  /// In checked mode bytes behind the object are watched, and the manager must be told where it ends.
  @inline(never)
  private static func allocateChecked(
    _ byteCount: UInt, _ alignment: UInt, _ options: KmallocOptions, _ manager: MemoryManager
  ) throws(Failure) -> UnsafeMutableRawPointer {
    var options = options
    options.alignment = UInt64(alignment)
    return unsafe try allocate(byteCount, options, manager)
  }
}

// MARK: - Usage

/// What a heap has handed out.
public struct RuntimeHeapUsage: Equatable, Sendable {
  public var allocations: UInt64 = 0
  public var frees: UInt64 = 0
  /// Of the live objects, as kmalloc rounds them.
  public var liveBytes: UInt64 = 0

  public var liveObjects: UInt64 { allocations &- frees }
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
}
