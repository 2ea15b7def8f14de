import CKernel
import KernelMemory

/// Some words for each CPU, into which others put areas for it: a word that is zero is free. Any CPU
/// may put and any may take; each does so with one atomic exchange.
@safe
struct Mailboxes {
  private let words: UnsafeMutablePointer<UInt>

  /// As many as a CPU hands over while another one, on a host with fewer CPUs, does not run.
  static var wordsEach: Int { 64 }

  static func byteCount(cpuCount: Int) -> Int { cpuCount * wordsEach * MemoryLayout<UInt>.size }

  /// `memory` is cleared.
  @unsafe
  init(in memory: UnsafeMutableRawPointer, cpuCount: Int) {
    unsafe words = memory.bindMemory(to: UInt.self, capacity: cpuCount * Self.wordsEach)
  }

  /// Whether there was room in the box of `cpu`.
  func put(_ area: CheckedArea, for cpu: Int) -> Bool {
    for index in 0..<Self.wordsEach {
      if unsafe kernel_exchange_word(words + cpu * Self.wordsEach + index, 0, area.word) { return true }
    }
    return false
  }

  /// An area out of the box of `cpu`, if there is one.
  func take(for cpu: Int) -> CheckedArea? {
    for index in 0..<Self.wordsEach {
      let place = unsafe words + cpu * Self.wordsEach + index
      let word = unsafe kernel_load_word(place)
      if word != 0, unsafe kernel_exchange_word(place, word, 0) { return CheckedArea(word: word) }
    }
    return nil
  }
}
