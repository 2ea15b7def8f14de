import BareMetal
import KernelMemory
import PVH

extension BootRequest {
  /// Reads the start info at `address`; ends the run where it makes no sense.
  static func read(at address: PhysicalAddress) -> BootRequest {
    do throws(StartInfoError) {
      return try BootRequest(StartInfo(at: address, window: AddressSpace.window))
    } catch {
      panic { console in error.write(to: &console) }
    }
  }

  private init(_ startInfo: borrowing StartInfo) throws(StartInfoError) {
    let map = Self.makeMemoryMap()
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
    trace = startInfo.moduleCount > 0 ? LoadedFile(try startInfo.module(0)) : nil
    options = Self.options(try startInfo.commandLine())
    processors.placeTrampoline()
  }
}

extension LoadedFile {
  fileprivate init(_ module: StartInfo.Module) {
    self.init(start: module.start, byteCount: module.byteCount)
  }
}
