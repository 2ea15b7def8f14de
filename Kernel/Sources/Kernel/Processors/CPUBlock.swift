import CKernel
import CMachine

/// A CPU's own block (CKernel.h), which lives as long as the kernel.
@safe
struct CPUBlock {
  private let pointer: UnsafeMutablePointer<kernel_cpu>

  private init(_ pointer: UnsafeMutablePointer<kernel_cpu>) { unsafe self.pointer = pointer }

  /// The block of a CPU that was prepared; nil for others.
  init?(number: Int) {
    guard number < Int(KERNEL_CPU_LIMIT), let pointer = unsafe kernel_cpu_block(UInt32(number)) else {
      return nil
    }
    unsafe self.init(pointer)
  }

  /// This CPU's.
  static var current: CPUBlock {
    guard let block = CPUBlock(number: Int(cmachine_cpu_number())) else {
      preconditionFailure("this CPU has no block")
    }
    return block
  }

  /// Fills in the block of a CPU that has not started, in cleared memory.
  @unsafe
  static func prepare(
    at memory: UnsafeMutableRawPointer, number: Int, hardwareID: UInt64, _ stacks: kernel_fault_stacks
  ) -> CPUBlock {
    let pointer = unsafe memory.bindMemory(to: kernel_cpu.self, capacity: 1)
    unsafe kernel_prepare_cpu(pointer, UInt32(number), UInt(hardwareID), stacks)
    return unsafe CPUBlock(pointer)
  }

  var number: Int { unsafe Int(pointer.pointee.number) }
  /// What hardware calls the CPU.
  var hardwareID: UInt64 { unsafe UInt64(pointer.pointee.hardware_id) }

  /// Whether the CPU has joined the manager and takes interrupts, or will in a moment.
  var isOnline: Bool {
    get { unsafe kernel_load_word(&pointer.pointee.is_online) != 0 }
    nonmutating set { unsafe kernel_store_word(&pointer.pointee.is_online, newValue ? 1 : 0) }
  }

  /// Whether the CPU has stopped for good, because another one says why the run ends.
  var isStopped: Bool {
    get { unsafe kernel_load_word(&pointer.pointee.is_stopped) != 0 }
    nonmutating set { unsafe kernel_store_word(&pointer.pointee.is_stopped, newValue ? 1 : 0) }
  }

  /// What the CPU is doing or to do next; nil when it is idle. The first CPU sets it, this one clears it.
  var work: Work? {
    get { unsafe Work(rawValue: kernel_load_word(&pointer.pointee.work)) }
    nonmutating set { unsafe kernel_store_word(&pointer.pointee.work, newValue?.rawValue ?? 0) }
  }

  /// Gives the block to the code of a CPU that is started next.
  func give(to body: (UnsafeMutablePointer<kernel_cpu>) -> Void) { unsafe body(pointer) }
}

// MARK: - Notifications

extension CPUBlock {
  /// Interrupts that this CPU sent to others to have them flush, and such interrupts that it took.
  /// Counted by the CPU itself, with interrupts off.
  var notifications: (sent: UInt64, taken: UInt64) {
    unsafe (
      UInt64(kernel_load_word(&pointer.pointee.notifications_sent)),
      UInt64(kernel_load_word(&pointer.pointee.notifications_taken))
    )
  }

  func countNotificationSent() { unsafe Self.bump(&pointer.pointee.notifications_sent) }
  func countNotificationTaken() { unsafe Self.bump(&pointer.pointee.notifications_taken) }

  private static func bump(_ word: UnsafeMutablePointer<UInt>) {
    unsafe kernel_store_word(word, kernel_load_word(word) &+ 1)
  }
}
