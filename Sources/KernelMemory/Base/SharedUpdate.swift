internal import CMachine

// Every read-modify-write of a word that other CPUs may write, too, goes through here: it takes the word's
// cache line from whoever had it last, which is what keeps CPUs from scaling. A build of its own counts them
// (CMachine.h); in any other this is the update and nothing else.

/// Runs `body`, which is one such update.
/// - Parameters:
///   - kind: what it is for.
///   - body: the update.
@inline(__always)
func updating<Result>(_ kind: cmachine_update, _ body: () -> Result) -> Result {
  cmachine_count_update(kind)
  return body()
}

extension cmachine_update {
  @inline(__always) static var lock: cmachine_update { cmachine_update_lock }
  @inline(__always) static var end: cmachine_update { cmachine_update_end }
  @inline(__always) static var shared: cmachine_update { cmachine_update_shared }
}
