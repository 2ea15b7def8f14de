import BareMetal
import CKernel
import KernelMemory
import PVH

/// What the loader says, checked, and copied out of the loader's memory, which the core may hand out.
struct BootRequest {
  let memoryMap: MemoryMap
  let options: Options
  /// The first module, where it lies in physical memory.
  let trace: StartInfo.Module?
  let processors: ProcessorPlan

  /// Reads the start info at `address`; ends the run where it makes no sense.
  static func read(at address: PhysicalAddress) -> BootRequest {
    do throws(StartInfoError) {
      return try BootRequest(StartInfo(at: address, window: AddressSpace.window))
    } catch {
      panic { console in error.write(to: &console) }
    }
  }

  private init(_ startInfo: borrowing StartInfo) throws(StartInfoError) {
    let map = unsafe MemoryMap(in: Self.storage)
    Self.addOwn(to: map)
    for index in 0..<startInfo.moduleCount {
      let module = try startInfo.module(index)
      Self.add(.kept, at: module.start, byteCount: module.byteCount, to: map)
    }
    processors = try ProcessorPlan(startInfo)
    if let trampoline = processors.others?.trampoline {
      Self.add(.reserved, at: trampoline.address(.size4K), byteCount: PageSize.size4K.bytes, to: map)
    }
    try startInfo.addMemory(to: map)
    memoryMap = map
    trace = startInfo.moduleCount > 0 ? try startInfo.module(0) : nil
    options = Self.options(try startInfo.commandLine())
    processors.placeTrampoline()
  }

  /// In the image, which is where it is before the switch to the kernel's own tables and after.
  private static var storage: UnsafeMutableRawBufferPointer {
    let span = kernel_memory_map_storage()
    return unsafe UnsafeMutableRawBufferPointer(
      start: UnsafeMutableRawPointer(bitPattern: span.start), count: Int(span.end - span.start))
  }

  /// The image stays where it is. Page zero holds the firmware's data area, and no frame has number zero.
  private static func addOwn(to map: MemoryMap) {
    let image = Image.all
    add(.kept, at: image.start, byteCount: image.byteCount, to: map)
    add(.reserved, at: PhysicalAddress(0), byteCount: PageSize.size4K.bytes, to: map)
  }

  private static func add(
    _ kind: MemoryMap.Kind, at start: PhysicalAddress, byteCount: UInt64, to map: MemoryMap
  ) {
    do throws(MemoryError) {
      try map.add(kind, at: start, byteCount: byteCount)
    } catch {
      panic("more modules than the memory map has room for")
    }
  }

  private static func options(_ words: consuming CommandLine) -> Options {
    do throws(Options.Refusal) {
      return try Options(words)
    } catch {
      var console = SerialPort.com1
      console.write("error: \"")
      error.word.write(to: &console)
      console.write("\" is no option of this kernel; it knows\n")
      Options.writeUsage(to: &console)
      exit(.badInput)
    }
  }
}
