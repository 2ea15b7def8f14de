import Glibc
import LinuxMemory

/// A whole file or pipe in memory, for what has to be read twice.
enum WholeInput {
  static func read(_ path: String) throws -> [UInt8] {
    var reader = try LineReader(path: path)
    var bytes: [UInt8] = []
    try reader.forEachLine { line, _ in
      unsafe line.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
      bytes.append(UInt8(ascii: "\n"))
    }
    return bytes
  }
}
