import BareMetal
import KernelMemory

// All mappings, leaf by leaf, as the core sees them. QEMU's monitor has its own view of the same tables
// (`info tlb`, `info mem`), and a test compares the two:
//
//     mapping 0xffff888040000000 0x0000000040000000 262144 rw- global write-back
//              virtual           physical          pages

extension MemoryManager {
  /// Writes a line for every leaf of the address space, in address order.
  func writeMappings(to console: inout SerialPort) {
    forEachMapping { leaf in leaf.write(to: &console) }
  }
}

extension MappedRange {
  fileprivate func write(to sink: inout some TextSink) {
    sink.write("mapping 0x")
    sink.write(hex: pages.first.address(Platform.pageSize).rawValue, width: 16)
    sink.write(" 0x")
    sink.write(hex: frame.address(Platform.pageSize).rawValue, width: 16)
    sink.write(" ")
    sink.write(decimal: pages.count.rawValue)
    sink.write(attributes.protection.isWritable ? " rw" : " r-")
    sink.write(attributes.protection.isExecutable ? "x" : "-")
    sink.write(attributes.isGlobal ? " global " : " local ")
    sink.write(attributes.cache.name)
    sink.newline()
  }
}

extension CacheType {
  fileprivate var name: StaticString {
    switch self {
    case .writeBack: "write-back"
    case .writeThrough: "write-through"
    case .writeCombining: "write-combining"
    case .uncachedMinus: "uncached-minus"
    case .uncached: "uncached"
    }
  }
}
