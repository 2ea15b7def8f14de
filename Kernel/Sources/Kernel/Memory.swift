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
  /// The linear map and the object window cover all RAM, so each would have another, writable way to the
  /// image. It is taken out, or was never in: code and constants can be changed through no address.
  static func start(_ request: BootRequest) -> MemoryManager {
    do throws(MemoryError) {
      kernel_paint_stack(Image.stackStart)
      let manager = try build(request)
      unsafe stackUse = UInt64(kernel_painted_stack_use(Image.stackStart))
      try InterruptController.map(for: request.processors, on: manager)
      enableInterrupts()
      if unsafe Platform.canSplitLeaves && !AddressSpace.isIdentity { try manager.unmapMemory(Image.frames) }
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
    // At its own addresses the image has protections that are not those of memory.
    if unsafe AddressSpace.isIdentity {
      try request.memoryMap.add(.reserved, at: Image.all.start, byteCount: Image.all.byteCount)
    }
    var bootstrap = try Bootstrap(
      memoryMap: request.memoryMap, window: AddressSpace.window, linearMap: AddressSpace.linearMap,
      format: Platform.format(for: request.options))
    if unsafe !AddressSpace.isIdentity { try bootstrap.mapMemory(in: AddressSpace.objectWindow) }
    try mapImage(with: &bootstrap)
    try Platform.mapDevices(with: &bootstrap)
    // From here on, physical memory is reached through the linear map alone.
    try Platform.load(root: bootstrap.root, addressBits: bootstrap.addressBits)
    return unsafe try bootstrap.start(
      on: Platform.machine(
        cpuCount: request.processors.count,
        notify: { _, number in Processors.notify(number) }, fatal: reportFatal),
      vmallocRange: AddressSpace.vmallocRange, mode: request.options.mode)
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
    var console = SerialPort.console
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
