import LinuxMemory

/// A whole file or pipe in memory, for what has to be read twice. What is no text may never end, and is
/// refused.
enum WholeInput {
  static func read(_ path: String) throws -> [UInt8] {
    var reader = try LineReader(path: path)
    var bytes: [UInt8] = []
    var linesWithZeros = 0
    try reader.forEachLine { line, number in
      if line.indices.contains(where: { line[$0] == 0 }) { linesWithZeros += 1 }
      if linesWithZeros > 1000 {
        throw InputError.unsuitable(path, "it is no text: line \(number) has bytes of zero")
      }
      unsafe line.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
      bytes.append(UInt8(ascii: "\n"))
    }
    return bytes
  }
}
