/// What the timer's interrupt does; set before the timer is started (Platforms/).
enum TimerInterrupt {
  nonisolated(unsafe) static var action: (@convention(c) () -> Void)?
}
