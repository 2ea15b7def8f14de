import BareMetal
import BootReplay
import KernelMemory

// Instructions per operation. Under QEMU's `-icount shift=0,sleep=off` an instruction advances the time-stamp
// counter by one, on every machine and in every run; without it the figures mean nothing.
// A pair is one allocation, one byte written, one free; the cost of the loop and of all flushes is in it.
// In strict mode every pair edits the page tables, hence `cold`.

/// Prints `bench NAME INSTRUCTIONS` for each operation.
struct Bench {
  private let manager: MemoryManager

  init(on manager: MemoryManager) { self.manager = manager }

  func run() -> ExitStatus {
    do throws(MemoryError) {
      try measureVmalloc("vmalloc_4K_cold", kibibytes: 4, pairs: 100_000)
      try measureVmalloc("vmalloc_16K_cold", kibibytes: 16, pairs: 100_000)
      try measureVmalloc("vmalloc_64K_cold", kibibytes: 64, pairs: 20_000)
      try measureVmalloc("vmalloc_2M_cold", kibibytes: 2048, pairs: 1_000)
      try measure("alloc_page", pairs: 100_000) { () throws(MemoryError) in
        let frame = try manager.allocateFrames()
        unsafe manager.linearAddress(of: frame).pointer?.storeBytes(of: 1, as: UInt8.self)
        try manager.freeFrames(frame)
      }
      return .success
    } catch {
      var console = SerialPort.com1
      console.write("an operation that was to be measured was refused: ")
      console.write(error)
      console.newline()
      return .jobFailed
    }
  }

  private func measureVmalloc(
    _ name: StaticString, kibibytes: Int, pairs: UInt64
  ) throws(MemoryError) {
    try measure(name, pairs: pairs) { () throws(MemoryError) in
      let memory = try unsafe manager.vmalloc(kibibytes * 1024)
      unsafe memory.storeBytes(of: 1, as: UInt8.self)
      try unsafe manager.vfree(memory)
    }
  }

  /// A hundredth of the pairs runs before the count begins: by then the caches of frames and tables are as
  /// full as they stay.
  @inline(__always)
  private func measure(
    _ name: StaticString, pairs: UInt64, _ pair: () throws(MemoryError) -> Void
  ) throws(MemoryError) {
    for _ in 0..<pairs / 100 { try pair() }
    let before = manager.counters
    let start = TimeStamp.now
    for _ in 0..<pairs { try pair() }
    let instructions = TimeStamp.now &- start
    report(name, instructions, pairs, manager.counters.since(before))
  }

  /// The figure, and below it what was done for it.
  private func report(_ name: StaticString, _ instructions: UInt64, _ pairs: UInt64, _ work: Counters) {
    var console = SerialPort.com1
    console.write("bench ")
    console.write(name)
    console.write(" ")
    console.write(decimal: (instructions + pairs / 2) / pairs)
    console.write("\n  pairs ")
    console.write(decimal: pairs)
    write(", entries written ", work[.entriesWritten])
    write(", tables made ", work[.tablesMade])
    write(", flushes: page ", work[.flushesOfPage])
    write(", ranges ", work[.flushesOfRanges])
    write(", everything ", work[.flushesOfAll])
    console.newline()

    func write(_ text: StaticString, _ value: UInt64) {
      console.write(text)
      console.write(decimal: value)
    }
  }
}
