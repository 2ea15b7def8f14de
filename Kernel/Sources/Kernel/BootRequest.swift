import CKernel
import KernelMemory
import LoaderText

/// A file that the loader has put into memory.
struct LoadedFile {
  let start: PhysicalAddress
  let byteCount: UInt64
}

/// What the loader says, checked, and copied out of the loader's memory, which the core may hand out. Each
/// architecture reads it in its own way (Platforms/).
struct BootRequest {
  let memoryMap: MemoryMap
  let options: Options
  let trace: LoadedFile?
  let processors: ProcessorPlan

  /// A map in which nothing is but what the kernel keeps for itself.
  static func makeMemoryMap() -> MemoryMap {
    let map = unsafe MemoryMap(in: storage)
    addOwn(to: map)
    return map
  }

  /// In the image, which is where it is before the switch to the kernel's own tables and after.
  private static var storage: UnsafeMutableRawBufferPointer {
    let span = kernel_memory_map_storage()
    return unsafe UnsafeMutableRawBufferPointer(
      start: UnsafeMutableRawPointer(bitPattern: span.start), count: Int(span.end - span.start))
  }

  /// The image stays where it is; what maps of RAM have of it is taken out later, or never there. Page zero
  /// may hold firmware's data, and no frame has number zero.
  private static func addOwn(to map: MemoryMap) {
    let image = Image.all
    add(
      Platform.canSplitLeaves ? .kept : .reserved, at: image.start, byteCount: image.byteCount, to: map)
    add(.reserved, at: PhysicalAddress(0), byteCount: PageSize.size4K.bytes, to: map)
  }

  static func add(
    _ kind: MemoryMap.Kind, at start: PhysicalAddress, byteCount: UInt64, to map: MemoryMap
  ) {
    do throws(MemoryError) {
      try map.add(kind, at: start, byteCount: byteCount)
    } catch {
      panic("more files of the loader than the memory map has room for")
    }
  }

  static func options(_ words: consuming CommandLine) -> Options {
    do throws(Options.Refusal) {
      return try Options(words)
    } catch {
      var console = SerialPort.console
      console.write("error: \"")
      error.word.write(to: &console)
      console.write("\" is no option of this kernel; it knows\n")
      Options.writeUsage(to: &console)
      exit(.badInput)
    }
  }
}
