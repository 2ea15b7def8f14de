public import KernelMemory

// The one heap that the Swift runtime uses. exports.c calls the two functions below under the names that the
// runtime knows; under these they clash with nothing, in a test process either.

extension RuntimeHeap {
  /// The runtime's heap; nil before `start`.
  public static var current: RuntimeHeap? { unsafe started }

  /// Written once, with one CPU running, and no object alive yet.
  nonisolated(unsafe) private static var started: RuntimeHeap?

  /// Gives the Swift runtime a heap. Called once, before anything allocates an object, and before other CPUs
  /// may. Until then the runtime finds that memory is short, and the first object ends in a fault near
  /// address zero, or in a trap. O(frames).
  /// - Parameters:
  ///   - manager: whose kmalloc serves it.
  ///   - window: see `init`.
  ///   - mayWait: see `init`: only if no object is ever allocated or copied under a lock that a CPU with
  ///     interrupts
  ///     off may wait for.
  ///   - exhaustion: what happens when there is no memory for an object.
  /// - Throws: see `RuntimeHeapError`.
  public static func start(
    on manager: MemoryManager, window: LinearMap, mayWait: Bool = false, exhaustion: Exhaustion = .stop
  ) throws(RuntimeHeapError) {
    guard unsafe started == nil else { throw .alreadyStarted }
    let heap = try RuntimeHeap(on: manager, window: window, mayWait: mayWait, exhaustion: exhaustion)
    unsafe started = heap
  }
}

/// `posix_memalign`. Where there is no memory, the machine ends, unless `start` was told to refuse.
@c(runtime_heap_allocate)
@unsafe
public func runtimeHeapAllocate(
  _ result: UnsafeMutablePointer<UnsafeMutableRawPointer?>, _ alignment: UInt, _ byteCount: UInt
) -> Int32 {
  guard let heap = RuntimeHeap.current else {
    return RuntimeHeap.Failure.outOfMemory.rawValue
  }
  do throws(MemoryError) {
    unsafe result.pointee = try heap.allocate(bytes: byteCount, alignment: alignment)
    return 0
  } catch {
    return RuntimeHeap.refuse(error, byteCount, alignment: alignment)
  }
}

/// `free`, which has no way to refuse: what is no live object ends the machine, through the manager. Before
/// `start` nothing was handed out, and there is no manager to report to.
@c(runtime_heap_free)
@unsafe
public func runtimeHeapFree(_ pointer: UnsafeMutableRawPointer?) {
  guard let pointer = unsafe pointer else { return }
  guard let heap = RuntimeHeap.current else { fatalError("free before RuntimeHeap.start") }
  do throws(MemoryError) {
    unsafe try heap.deallocate(pointer)
  } catch {
    RuntimeHeap.stop(error)
  }
}

extension RuntimeHeap {
  /// What `posix_memalign` returns, if it does. Looks for the heap again, so that it is not copied for every
  /// object.
  @inline(never)
  fileprivate static func refuse(_ error: MemoryError, _ byteCount: UInt, alignment: UInt) -> Int32 {
    let failure = Failure(error)
    if failure != .badAlignment, let heap = current, case .stop = heap.exhaustion {
      heap.stop(error, byteCount, alignment: alignment)
    }
    return failure.rawValue
  }

  /// Ends the machine after a free that was refused.
  @inline(never)
  fileprivate static func stop(_ error: MemoryError) -> Never {
    guard let heap = current else { fatalError("free before RuntimeHeap.start") }
    switch error {
    case .badFree(.alreadyFree): heap.stop("the Swift runtime's heap: free of memory that is free already")
    case .badFree(.interior): heap.stop("the Swift runtime's heap: free of an address inside an object")
    case .wrongContext:
      heap.stop("the Swift runtime's heap: free in an NMI that has interrupted the memory manager")
    default: heap.stop("the Swift runtime's heap: free of an address that is none of its objects")
    }
  }
}
