import BareMetal
import BootReplay
import CKernel
import KernelMemory
import RuntimeHeap

/// The kernel's memory: one manager, from `start` to the end of the run.
enum Memory {
  /// Nil until it has started. Written once, with one CPU running.
  static var manager: MemoryManager? { unsafe started }

  nonisolated(unsafe) private static var started: MemoryManager?

  /// Bytes of stack that building the tables and starting the manager took.
  nonisolated(unsafe) private(set) static var stackUse: UInt64 = 0

  /// Builds the kernel's tables, switches to them, and starts the manager; ends the run where that fails.
  ///
  /// The linear map and the object window cover all RAM, so each has another, writable way to the image. It
  /// is taken out: code and constants can be changed through no address.
  static func start(_ request: BootRequest) -> MemoryManager {
    do throws(MemoryError) {
      kernel_paint_stack(Image.stackStart)
      let manager = try build(request)
      unsafe stackUse = UInt64(kernel_painted_stack_use(Image.stackStart))
      if let others = request.processors.others {
        try Processors.mapLocalAPIC(at: others.localAPIC, on: manager)
      }
      enableInterrupts()
      try manager.unmapMemory(Image.frames)
      unsafe started = manager
      startHeap(on: manager)
      reportRefusedFrames(of: manager)
      return manager
    } catch {
      panic { console in
        console.write("the memory manager does not start: ")
        console.write(error)
      }
    }
  }

  @inline(never)
  private static func build(_ request: BootRequest) throws(MemoryError) -> MemoryManager {
    var bootstrap = try Bootstrap(
      memoryMap: request.memoryMap, window: AddressSpace.window, linearMap: AddressSpace.linearMap,
      format: .x86_64(
        levels: levels(for: request.options), hasGigabyteLeaves: ProcessorFeatures.hasGigabyteLeaves))
    try bootstrap.mapMemory(in: AddressSpace.objectWindow)
    try mapImage(with: &bootstrap)
    // From here on, physical memory is reached through the linear map alone.
    try PagingControls.load(root: bootstrap.root, addressBits: bootstrap.addressBits)
    return unsafe try bootstrap.start(
      on: .x86_64(
        cpuCount: request.processors.count,
        notify: { _, number in Processors.notify(number) }, fatal: reportFatal),
      vmallocRange: AddressSpace.vmallocRange, mode: request.options.mode)
  }

  /// As many as boot.S has set up, but for the mistake on purpose.
  private static func levels(for options: Options) -> PageTableFormatChoice.X86_64Levels {
    let levels = PagingControls.levels
    guard options.scenario == .wrongLevels else { return levels }
    return levels == .four ? .five : .four
  }

  /// From here on Swift's own objects can be made.
  private static func startHeap(on manager: MemoryManager) {
    do throws(RuntimeHeapError) {
      try RuntimeHeap.start(on: manager, window: AddressSpace.objectWindow)
    } catch {
      panic { console in
        console.write("the heap of the Swift runtime does not start: ")
        error.writeExplanation(to: &console)
      }
    }
  }

  /// RAM that cannot be used is never dropped in silence.
  private static func reportRefusedFrames(of manager: MemoryManager) {
    let refused = manager.refusedFrames
    guard refused > .zero else { return }
    var console = SerialPort.com1
    console.write("warning: ")
    console.write(decimal: refused.rawValue)
    console.write(" page frames of RAM are not used: the linear map does not reach them\n")
  }

  /// Maps each part of the image where it runs now, with its own protection; the guard page is no part.
  private static func mapImage(with bootstrap: inout Bootstrap) throws(MemoryError) {
    for index in 0..<Image.partCount {
      let part = Image.part(index)
      try bootstrap.map(
        part.pages, to: FrameNumber(part.pages.first.rawValue), MappingAttributes(part.protection))
    }
  }
}

/// The manager's last words: an invariant of its own does not hold.
private func reportFatal(_: UnsafeMutableRawPointer?, _ message: UnsafePointer<CChar>) {
  panic { console in
    var character = unsafe message
    while unsafe character.pointee != 0 {
      unsafe console.write(UInt8(bitPattern: character.pointee))
      unsafe character += 1
    }
  }
}
