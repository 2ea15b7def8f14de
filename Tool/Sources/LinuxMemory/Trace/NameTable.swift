internal import BootReplay

/// Names of tasks and functions, each stored once; a line costs a hash and a comparison, and no string.
public struct NameTable: Sendable {
  private var names: [[UInt8]] = [[]]
  private var numbers: [UInt64: UInt32] = [:]
  private var last: UInt32 = 0

  init() {}

  /// The number of names; 0 is that of no name.
  public var count: Int { names.count }

  /// The name as text, with replacement characters where it is not UTF-8 and where a terminal would act on
  /// it.
  public subscript(number: UInt32) -> String {
    let text = String(decoding: names[Int(number)], as: UTF8.self)
    var shown = ""
    shown.unicodeScalars.append(
      contentsOf: text.unicodeScalars.map {
        $0.value < 0x20 || (0x7f..<0xa0).contains($0.value) ? "\u{fffd}" : $0
      })
    return shown
  }

  /// The name's own bytes.
  public func bytes(of number: UInt32) -> [UInt8] { names[Int(number)] }

  mutating func number(of text: TraceText) -> UInt32 {
    if text.isEmpty { return 0 }
    if isName(last, text) { return last }
    var key = text.hash
    while let known = numbers[key] {
      if isName(known, text) {
        last = known
        return known
      }
      key &+= 1
    }
    last = UInt32(names.count)
    numbers[key] = last
    names.append(unsafe text.withUTF8 { unsafe Array($0) })
    return last
  }

  mutating func number(of name: String) -> UInt32 {
    let bytes = Array(name.utf8)
    return unsafe bytes.withUnsafeBytes { number(of: unsafe TraceText($0)) }
  }

  private func isName(_ number: UInt32, _ text: TraceText) -> Bool {
    let name = names[Int(number)]
    guard name.count == text.count else { return false }
    return unsafe text.withUTF8 { bytes in
      for index in name.indices where unsafe bytes[index] != name[index] { return false }
      return true
    }
  }
}
