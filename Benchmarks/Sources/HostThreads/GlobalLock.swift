internal import Synchronization

/// What is taken around every call of a contestant.
protocol GlobalLock: AnyObject {
  init()
  /// Takes the lock; calls `poll` now and then while it is somebody else's.
  func acquire(poll: () -> Void)
  func release()
}

/// The package as it is, with its own locks alone.
final class NoLock: GlobalLock {
  @inline(__always)
  func acquire(poll: () -> Void) {}
  @inline(__always)
  func release() {}
}

/// One word that all threads exchange.
final class SpinningLock: GlobalLock {
  private let word = Atomic<Bool>(false)

  @inline(__always)
  func acquire(poll: () -> Void) {
    while word.exchange(true, ordering: .acquiring) {
      while word.load(ordering: .relaxed) { poll() }
    }
  }

  @inline(__always)
  func release() { word.store(false, ordering: .releasing) }
}

/// The system's mutex. Whoever has it may wait for a flush by a thread that sleeps in it, as a real CPU would
/// be interrupted there; so a sleeper looks up every 20 microseconds.
final class MutexLock: GlobalLock {
  private static let patience = 20_000
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

  init() { pthread_mutex_init(mutex, nil) }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  @inline(__always)
  func acquire(poll: () -> Void) {
    if pthread_mutex_trylock(mutex) == 0 { return }
    repeat { poll() } while !acquiresSoon()
  }

  private func acquiresSoon() -> Bool {
    #if canImport(Darwin)
    // There is no lock with a time limit.
    usleep(UInt32(Self.patience / 1_000))
    return pthread_mutex_trylock(mutex) == 0
    #else
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    time.tv_nsec += Self.patience
    if time.tv_nsec >= 1_000_000_000 {
      time.tv_nsec -= 1_000_000_000
      time.tv_sec += 1
    }
    return pthread_mutex_timedlock(mutex, &time) == 0
    #endif
  }

  @inline(__always)
  func release() { pthread_mutex_unlock(mutex) }
}
