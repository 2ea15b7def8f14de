/// The last words of a machine: text in a buffer of its own, which ends with a zero byte for `Machine.fatal`.
@safe
public struct StopMessage: TextSink {
  /// Three lines of a console; it lies on the stack of the caller.
  private static let capacity = 240

  private var bytes = InlineArray<240, CChar>(repeating: 0)
  private var count = 0

  init(_ write: (inout StopMessage) -> Void) { write(&self) }

  /// Takes one byte; none where only the last, which is zero, is left.
  public mutating func write(_ byte: UInt8) {
    guard count < Self.capacity &- 1 else { return }
    bytes[count] = CChar(bitPattern: byte)
    count &+= 1
  }

  func withCharacters(_ body: (UnsafePointer<CChar>) -> Void) {
    unsafe bytes.span.withUnsafeBufferPointer { buffer in
      if let start = buffer.baseAddress { unsafe body(start) }
    }
  }
}
