@unsafe @preconcurrency internal import CMachine  // its variables are one a thread
internal import Glibc

/// Runs `body` on a new thread of the process.
@discardableResult
func startThread(_ body: @escaping () -> Void) -> pthread_t {
  final class Start {
    let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
  }
  var thread = pthread_t()
  let start = unsafe Unmanaged.passRetained(Start(body)).toOpaque()
  let status = unsafe pthread_create(
    &thread, nil,
    { context in
      guard let context = unsafe context else { return nil }
      unsafe Unmanaged<Start>.fromOpaque(context).takeRetainedValue().body()
      return nil
    }, start)
  guard status == 0 else { stop("a CPU gets no thread: errno \(status)") }
  return thread
}

/// A counting semaphore, on which one thread waits.
@safe
final class Semaphore {
  private let storage: UnsafeMutablePointer<sem_t>

  init() {
    unsafe storage = .allocate(capacity: 1)
    guard unsafe sem_init(storage, 0, 0) == 0 else { stop("no semaphore: errno \(errno)") }
  }

  deinit {
    unsafe sem_destroy(storage)
    unsafe storage.deallocate()
  }

  func signal() { unsafe sem_post(storage) }

  func wait() {
    // Only a signal handler ends the wait early.
    while unsafe sem_wait(storage) != 0 {}
  }
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
