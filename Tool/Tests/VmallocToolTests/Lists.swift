import ArgumentParser
import LinuxMemory

@testable import VmallocTool

/// Lists of our own making, as short as they can be.
enum Lists {
  /// Two nodes, a module, a device, per-CPU space, and space that nobody owns.
  static let morning = """
    0xffffc90000000000-0xffffc90000201000 2101248 alloc_large_system_hash+0x181/0x23e pages=512 vmalloc N0=256 N1=256
    0xffffc90000201000-0xffffc90000203000    8192 hpet_enable+0x37/0x2b8 phys=0x00000000fed00000 ioremap
    0xffffc90000204000-0xffffc90000209000   20480 kernel_clone+0x94/0x3e0 pages=4 vmalloc N0=4
    0xffffc9000020c000-0xffffc90000211000   20480 kernel_clone+0x99/0x3e0 pages=4 vmalloc N1=4
    0xffffc90000211000-0xffffc90000215000   16384 load+0x1/0x2 [zram] pages=3 vmalloc N0=3
    0xffffc90000215000-0xffffc9000021a000   20480 unpurged vm_area
    0xffffc9000021a000-0xffffc9000021c000    8192 vm_map_ram
    0xffffe8ffffc00000-0xffffe8ffffe00000 2097152 pcpu_get_vm_areas+0x0/0x550 vmalloc

    """

  /// The same boot later: two more threads, one gone, the hash table gone to one node, the module's name
  /// changed.
  static let evening = """
    0xffffc90000000000-0xffffc90000201000 2101248 alloc_large_system_hash+0x181/0x23e pages=512 vmalloc N0=512
    0xffffc90000201000-0xffffc90000203000    8192 hpet_enable+0x37/0x2b8 phys=0x00000000fed00000 ioremap
    0xffffc90000204000-0xffffc90000209000   20480 unpurged vm_area
    0xffffc9000020c000-0xffffc90000211000   20480 kernel_clone+0x99/0x3e0 pages=4 vmalloc N1=4
    0xffffc90000211000-0xffffc90000215000   16384 probe+0x1/0x2 [other] pages=3 vmalloc N0=3
    0xffffc90000215000-0xffffc9000021a000   20480 unpurged vm_area
    0xffffc9000021a000-0xffffc9000021c000    8192 vm_map_ram
    0xffffc9000021c000-0xffffc90000221000   20480 kernel_clone+0x94/0x3e0 pages=4 vmalloc N0=4
    0xffffc90000224000-0xffffc90000229000   20480 kernel_clone+0x94/0x3e0 pages=4 vmalloc N0=4
    0xffffe8ffffc00000-0xffffe8ffffe00000 2097152 pcpu_get_vm_areas+0x0/0x550 vmalloc

    """

  static func read(_ text: String, _ name: String = "list") throws -> Snapshot {
    try Snapshot.read(Array(text.utf8), name: name, keepingAreas: true)
  }

  /// The report of `inspect` with these arguments.
  static func inspect(_ text: String, _ arguments: [String] = []) throws -> InspectReport {
    guard let command = try Vmalloc.parseAsRoot(["inspect"] + arguments) as? Inspect else {
      throw ValidationError("no inspect command")
    }
    return InspectReport(try read(text), command.view)
  }

  /// The table of `inspect`.
  static func table(_ text: String, _ arguments: [String] = [], width: Int? = nil) throws -> String {
    let report = try inspect(text, arguments)
    let table = InspectTable(report: report, paint: Paint(.never), width: width, isExact: false)
    return (table.lines + Advice.lines(report.advice, Paint(.never))).joined(separator: "\n")
  }
}
