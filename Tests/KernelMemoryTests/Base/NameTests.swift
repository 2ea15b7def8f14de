import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// Names of tags and caches.
@Suite struct NameTests {
  private struct Text: TextSink {
    var bytes: [UInt8] = []
    mutating func write(_ byte: UInt8) { bytes.append(byte) }
    var string: String { String(decoding: bytes, as: UTF8.self) }
  }

  /// What a literal of one character is where the type is inferred: a scalar, which has no address.
  private static func scalar<Name: ExpressibleByUnicodeScalarLiteral>(_: Name.Type) -> Name { "d" }
  private static func wide<Name: ExpressibleByUnicodeScalarLiteral>(_: Name.Type) -> Name { "é" }

  @Test func aNameMayBeOneScalar() async {
    await #expect(processExitsWith: .success) {
      let test = try TestMachine(ram: [.small])
      var text = Text()
      for name in [Self.scalar(StaticString.self), Self.wide(StaticString.self)] {
        precondition(!name.hasPointerRepresentation)
        var options = KmallocOptions()
        options.tag = try test.manager.makeTag(named: name)
        let cache = try test.manager.makeCache(named: name, objectSize: 100, tag: options.tag)
        test.manager.writeName(of: options.tag, to: &text)
        test.manager.writeCacheName(Int(cache.number), to: &text)
      }
      precondition(text.string == "ddéé", text.string)
    }
  }
}
