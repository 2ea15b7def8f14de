import Foundation

/// A symbol of an image, as `llvm-nm` prints it.
struct Symbol: Equatable {
  let address: UInt64
  let kind: Substring
  let name: Substring

  /// - Parameter text: in the order of addresses.
  static func all(_ text: String) -> [Symbol] {
    text.split(separator: "\n").compactMap { line in
      let fields = line.split(separator: " ")
      guard fields.count == 3, let address = UInt64(fields[0], radix: 16) else { return nil }
      return Symbol(address: address, kind: fields[1], name: fields[2])
    }
  }

  var isFunction: Bool { kind == "t" || kind == "T" }
  var isMark: Bool { name == "kernel_profile_mark" }
  /// What is called in many places, and goes over bytes.
  var isOfMemory: Bool { ["memcpy", "memmove", "memset", "memcmp"].contains(name) }
}

/// Counts the instructions that are run between two marks, by their addresses. What memcpy and its like do,
/// instruction by instruction or byte by byte, counts for the instruction that called them.
struct ProfileCounter {
  struct Site: Hashable {
    let address: UInt64
    /// What it called, where that is counted.
    var callee: Substring = ""
  }

  private(set) var counts: [Site: Int] = [:]
  private let mark: UInt64?
  private let callees: [(range: Range<UInt64>, name: Substring)]
  private var marks = 0
  /// The last instruction outside of those.
  private var previous: UInt64 = 0
  private var inside: Int?

  /// - Parameter symbols: in the order of addresses.
  init(_ symbols: [Symbol]) {
    mark = symbols.first(where: \.isMark)?.address
    callees = symbols.indices.filter { symbols[$0].isOfMemory }.map { index in
      let end = symbols[index...].first { $0.address > symbols[index].address }?.address ?? .max
      return (symbols[index].address..<end, symbols[index].name)
    }
  }

  /// The address in a line of the emulator's log, `Trace CPU: HOST [CODE BASE/ADDRESS/FLAGS/FLAGS] SYMBOL`;
  /// nil where there is none.
  static func address(_ line: UnsafePointer<CChar>) -> UInt64? {
    guard let slash = strchr(line, 0x2F) else { return nil }
    var end: UnsafeMutablePointer<CChar>?
    let address = strtoull(slash + 1, &end, 16)
    return end.map { $0.pointee == 0x2F } == true ? address : nil
  }

  /// An instruction was run.
  mutating func count(_ address: UInt64) {
    if address == mark { return marks += 1 }
    guard marks == 1 else { return }
    inside = callees.firstIndex { $0.range.contains(address) }
    if let inside {
      counts[Site(address: previous, callee: callees[inside].name), default: 0] += 1
    } else {
      counts[Site(address: address), default: 0] += 1
      previous = address
    }
  }
}
