public import KernelMemory

// The one heap that the Swift runtime uses. exports.c calls the two functions below under the names that the
// runtime knows; under these they clash with nothing, in a test process either.

extension RuntimeHeap {
  /// The runtime's heap; nil before `start`.
  public static var current: RuntimeHeap? { unsafe started }

  /// Written once, with one CPU running, and no object alive yet.
  nonisolated(unsafe) private static var started: RuntimeHeap?

  /// Gives the Swift runtime a heap. Called once, before anything allocates an object, and before other
  /// CPUs may. Until then the runtime finds that memory is short. O(frames).
  /// - Parameters:
  ///   - manager: whose kmalloc serves it.
  ///   - window: see `init`.
  /// - Throws: see `RuntimeHeapError`.
  public static func start(on manager: MemoryManager, window: LinearMap) throws(RuntimeHeapError) {
    guard unsafe started == nil else { throw .alreadyStarted }
    let heap = try RuntimeHeap(on: manager, window: window)
    unsafe started = heap
  }
}

/// `posix_memalign`.
@c(runtime_heap_allocate)
@unsafe
public func runtimeHeapAllocate(
  _ result: UnsafeMutablePointer<UnsafeMutableRawPointer?>, _ alignment: UInt, _ byteCount: UInt
) -> Int32 {
  guard let heap = RuntimeHeap.current else {
    return RuntimeHeap.Failure.outOfMemory.rawValue
  }
  do throws(RuntimeHeap.Failure) {
    unsafe result.pointee = try heap.allocate(
      Int(bitPattern: byteCount), alignment: Int(bitPattern: alignment))
    return 0
  } catch {
    return error.rawValue
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
    heap.stop(error)
  }
}

extension RuntimeHeap {
  /// Ends the machine after a free that was refused.
  @inline(never)
  fileprivate func stop(_ error: MemoryError) -> Never {
    switch error {
    case .badFree(.alreadyFree): stop("the Swift runtime's heap: free of memory that is free already")
    case .badFree(.interior): stop("the Swift runtime's heap: free of an address inside an object")
    default: stop("the Swift runtime's heap: free of an address that is none of its objects")
    }
  }
}
