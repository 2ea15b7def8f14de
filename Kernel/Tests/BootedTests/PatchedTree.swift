import Foundation

/// The device tree that the emulator makes for a machine, with something in it that the machine has not.
final class PatchedTree {
  let file = FileManager.default.temporaryDirectory.appending(path: "tree-\(UUID().uuidString)")
  private var bytes: [UInt8] = []

  /// One more CPU than a machine has: a copy of the last one, with the next number.
  init(addingCPUTo machine: Setup) throws {
    try dump(machine)
    let last = UInt32(machine.cpus - 1)
    guard let node = node("cpu@\(last)") else { throw CannotBoot(description: "no cpu@\(last) in a tree") }
    var copy = Array(bytes[node])
    guard let reg = property("reg", in: copy) else { throw CannotBoot(description: "cpu@\(last) has no reg") }
    // The lowest byte, of one cell or of two.
    copy[reg.upperBound - 1] = UInt8(last + 1)
    copy.replaceSubrange(4..<12, with: Array("cpu@\(last + 1)\0\0\0".utf8.prefix(8)))
    bytes.insert(contentsOf: copy, at: node.upperBound)
    // The whole, where the strings are, and the nodes: each is longer, or further, by the copy.
    for field in [4, 12, 36] { set(field, word(field) + UInt32(copy.count)) }
    try Data(bytes).write(to: file)
  }

  deinit { try? FileManager.default.removeItem(at: file) }

  private func dump(_ machine: Setup) throws {
    guard let emulator = machine.architecture.emulator else {
      throw CannotBoot(description: machine.architecture.absence)
    }
    let process = Process()
    process.executableURL = URL(filePath: emulator)
    process.arguments = [
      "-machine", "\(machine.board),dumpdtb=\(file.path)", "-cpu", machine.processor, "-smp",
      "\(machine.cpus)", "-m", "\(machine.mebibytes)", "-display", "none", "-nic", "none",
    ]
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    bytes = Array(try Data(contentsOf: file))
  }

  private func word(_ offset: Int) -> UInt32 { Self.word(bytes, offset) }

  private static func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
    bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
  }

  private func set(_ offset: Int, _ value: UInt32) {
    withUnsafeBytes(of: value.bigEndian) { bytes.replaceSubrange(offset..<offset + 4, with: $0) }
  }

  /// From its first token to behind its last one.
  private func node(_ name: String) -> Range<Int>? {
    let start = Int(word(8))
    guard let found = bytes.firstRange(of: [0, 0, 0, 1] + Array(name.utf8) + [0]) else { return nil }
    var (at, depth) = (found.lowerBound, 0)
    while at < start + Int(word(36)) {
      switch word(at) {
      case 1:
        depth += 1
        at += 4
        while bytes[at] != 0 { at += 1 }
        at = at / 4 * 4 + 4
      case 2:
        depth -= 1
        at += 4
        if depth == 0 { return found.lowerBound..<at }
      case 3: at += 12 + (Int(word(at + 4)) + 3) / 4 * 4
      default: at += 4
      }
    }
    return nil
  }

  /// Where the value of a node's own property is.
  private func property(_ name: String, in node: [UInt8]) -> Range<Int>? {
    var at = 4
    while node[at] != 0 { at += 1 }
    at = at / 4 * 4 + 4
    while Self.word(node, at) == 3 {
      let count = Int(Self.word(node, at + 4))
      let text = bytes[(Int(word(12)) + Int(Self.word(node, at + 8)))...]
      if text.starts(with: Array(name.utf8) + [0]) { return at + 12..<at + 12 + count }
      at += 12 + (count + 3) / 4 * 4
    }
    return nil
  }
}

extension Setup {
  /// The same machine, whose device tree has a CPU more.
  func listingAnotherCPU() throws -> Setup {
    var setup = self
    setup.tree = try PatchedTree(addingCPUTo: self)
    return setup
  }
}
