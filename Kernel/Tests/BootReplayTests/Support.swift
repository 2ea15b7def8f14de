import Foundation
import KernelMemory

@testable import BootReplay
@testable import SimulatedRun

/// Calls `body` with a text that holds these bytes.
func withTrace<Result>(_ bytes: [UInt8], _ body: (TraceText) throws -> Result) rethrows -> Result {
  try bytes.withUnsafeBytes { try body(TraceText($0)) }
}

func withTrace<Result>(_ text: String, _ body: (TraceText) throws -> Result) rethrows -> Result {
  try withTrace(Array(text.utf8), body)
}

extension TraceText {
  var string: String { withUTF8 { String(decoding: $0, as: UTF8.self) } }
}

/// The recordings that come with this package.
enum Recording {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../../Examples/traces/debian-6.12-boot").standardizedFileURL

  static func trace() throws -> [UInt8] { try bytes(of: "trace.txt") }

  /// The first so many allocations and frees, without the header that announces more.
  static func opening(events: Int) throws -> [UInt8] {
    let lines = String(decoding: try trace(), as: UTF8.self).split(separator: "\n")
      .filter { !$0.hasPrefix("#") && !$0.contains("purge_vmap_area_lazy") }
    return Array((lines.prefix(events).joined(separator: "\n") + "\n").utf8)
  }

  static func bytes(of name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: folder.appending(path: name)))
  }
}

/// Lines as ftrace writes them.
enum Line {
  static let alloc = allocation(at: 0xffff_ffff_c033_1000)

  static func allocation(
    at address: UInt64, size: UInt64 = 8192, align: UInt64 = 4096, by task: String = "init-1", failed: Int = 0
  ) -> String {
    "\(prefix(task))alloc_vmap_area: va_start: \(address) size=\(size) align=\(align) "
      + "vstart=0xffffffffc0331000 vend=0xffffffffff000000 failed=\(failed)\n"
  }

  static func free(_ address: UInt64, by task: String = "init-1") -> String {
    "\(prefix(task))free_vmap_area_noflush: va_start=0x\(String(address, radix: 16)) "
      + "nr_lazy=5 nr_lazy_max=16384\n"
  }

  static func prefix(_ task: String = "init-1") -> String {
    String(repeating: " ", count: max(0, 20 - task.count)) + task + "       [001] d..1.    36.462497: "
  }

  static let header = """
    # tracer: nop
    #
    #           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
    #              | |         |   |||||     |         |

    """
}
