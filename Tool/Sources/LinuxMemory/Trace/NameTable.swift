internal import BootReplay

/// Names of tasks and functions, each stored once; a line costs a comparison or two, and no string.
public struct NameTable: Sendable {
  /// The bytes of all names, one behind the other, and where each begins.
  private var bytes: [UInt8] = []
  private var begins: [Int] = [0, 0]
  private var numbers: [UInt64: UInt32] = [:]
  /// The last name for each of some looks: a trace has the same few names again and again.
  private var recent = [UInt32](repeating: 0, count: 256)

  init() {}

  /// The number of names; 0 is that of no name.
  public var count: Int { begins.count - 1 }

  /// The name as text, with replacement characters where it is not UTF-8 and where a terminal would act on
  /// it.
  public subscript(number: UInt32) -> String {
    let text = String(decoding: bytes[range(of: number)], as: UTF8.self)
    var shown = ""
    shown.unicodeScalars.append(
      contentsOf: text.unicodeScalars.map {
        $0.value < 0x20 || (0x7f..<0xa0).contains($0.value) ? "\u{fffd}" : $0
      })
    return shown
  }

  /// The name's own bytes.
  public func bytes(of number: UInt32) -> [UInt8] { Array(bytes[range(of: number)]) }

  private func range(of number: UInt32) -> Range<Int> { begins[Int(number)]..<begins[Int(number) + 1] }

  mutating func number(of text: TraceText) -> UInt32 {
    if text.isEmpty { return 0 }
    let look = text.look
    if isName(recent[look], text) { return recent[look] }
    var key = text.hash
    while let known = numbers[key] {
      if isName(known, text) {
        recent[look] = known
        return known
      }
      key &+= 1
    }
    let number = UInt32(count)
    numbers[key] = number
    recent[look] = number
    unsafe text.withUTF8 { unsafe bytes.append(contentsOf: $0) }
    begins.append(bytes.count)
    return number
  }

  mutating func number(of name: String) -> UInt32 {
    let bytes = Array(name.utf8)
    return unsafe bytes.withUnsafeBytes { number(of: unsafe TraceText($0)) }
  }

  private func isName(_ number: UInt32, _ text: TraceText) -> Bool {
    let range = range(of: number)
    guard range.count == text.count else { return false }
    return unsafe text.withUTF8 { given in
      unsafe bytes.withUnsafeBufferPointer { stored in
        for index in 0..<range.count where unsafe given[index] != stored[range.lowerBound + index] {
          return false
        }
        return true
      }
    }
  }
}

extension TraceText {
  /// A number below 256 that names of the same kind differ in: what has a number does so in its last bytes.
  fileprivate var look: Int {
    unsafe withUTF8 { bytes in
      let last = unsafe bytes[bytes.count - 1]
      let before = unsafe bytes[bytes.count / 2]
      let first = unsafe bytes[0]
      return Int(last &+ before &* 7 &+ first &* 31 &+ UInt8(truncatingIfNeeded: bytes.count))
    }
  }
}
