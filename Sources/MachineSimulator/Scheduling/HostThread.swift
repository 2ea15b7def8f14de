internal import CHost
@unsafe @preconcurrency internal import CMachine  // its variables are one a thread

/// A thread of the process, which one other may wait for.
@safe
struct HostThread {
  private let thread: chost_thread

  fileprivate init(_ thread: chost_thread) { unsafe self.thread = thread }

  /// Returns when it has ended; called once.
  func join() { unsafe chost_join_thread(thread) }

  /// Offers the processor to another thread.
  static func yield() { chost_yield() }
}

/// Runs `body` on a new thread of the process.
@discardableResult
func startThread(_ body: @escaping () -> Void) -> HostThread {
  final class Start {
    let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
  }
  var thread: chost_thread?
  let start = unsafe Unmanaged.passRetained(Start(body)).toOpaque()
  let status = unsafe chost_start_thread(
    &thread,
    { context in
      guard let context = unsafe context else { return }
      unsafe Unmanaged<Start>.fromOpaque(context).takeRetainedValue().body()
    }, start)
  guard status == 0, let thread = unsafe thread else { stop("a CPU gets no thread: errno \(status)") }
  return unsafe HostThread(thread)
}

/// A counting semaphore, on which one thread waits.
@safe
final class Semaphore {
  private let semaphore: OpaquePointer

  init() {
    guard let semaphore = unsafe chost_make_semaphore() else { stop("no semaphore") }
    unsafe self.semaphore = semaphore
  }

  deinit { unsafe chost_destroy_semaphore(semaphore) }

  func signal() { unsafe chost_signal(semaphore) }

  func wait() { unsafe chost_wait(semaphore) }
}

/// Says what becomes of the steps of the threads that play CPUs.
class StepHandler {
  func take(_ step: Step) {}
  /// The machine whose CPUs see each other's stores late.
  var weakMachine: SimulatedMachine? { nil }
  /// Whether other CPUs run at the same time.
  var runsFreely: Bool { false }
  /// Who ran so far, for the message that ends the process.
  var history: String { "" }

  /// Makes the calling thread play `cpu`, with interrupts on, and ask this handler at each step. The
  /// handler must outlive the thread's steps.
  func play(_ cpu: Int) {
    StoreModel.use(weakMachine != nil)
    cmachine_set_cpu_number(UInt32(cpu))
    cmachine_interrupts_enabled = 1
    unsafe cmachine_step_context = Unmanaged.passUnretained(self).toOpaque()
    unsafe cmachine_step_hook = { context, step in
      guard let context = unsafe context else { return }
      unsafe Unmanaged<StepHandler>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.take(Step(step)) }
    }
  }

  /// The handler of the calling thread.
  static var current: StepHandler? {
    guard unsafe cmachine_step_hook != nil, let context = unsafe cmachine_step_context else { return nil }
    return unsafe Unmanaged<StepHandler>.fromOpaque(context).takeUnretainedValue()
  }
}
