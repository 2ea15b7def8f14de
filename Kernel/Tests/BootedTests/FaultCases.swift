/// What the kernel says of faults that are made on purpose, where that is the same on every architecture.
extension FaultTests.Case {
  /// Those that any kernel can make. The scenario's area lies where the vmalloc range begins.
  /// - Parameters:
  ///   - image: where the kernel's image is in physical memory.
  ///   - area: the bytes of the scenario's area, three pages.
  ///   - registers: what is said of the CPU behind that, by the name of the fault.
  static func everywhere(
    image: UInt64, area: UInt64 = 12_288, registers: [String: String] = [:]
  ) -> [Self] {
    let start: UInt64 = 0xffff_c900_0000_0000
    let (linear, window): (UInt64, UInt64) = (0xffff_8880_0000_0000, 0x4000_0000_0000)
    let named = "area \(address(start)) of \(area) bytes, offset"
    let owner = "allocated by \"scenario\""
    let cases: KeyValuePairs = [
      "null": [
        "page fault: write at \(address(8)), not mapped", "  null dereference: page zero is never mapped",
      ],
      "guard": [
        "page fault: write at \(address(start + area)), not mapped",
        "  guard page behind \(named) \(hex(area)), \(owner)",
      ],
      "after-free": [
        "page fault: write at \(address(start)), not mapped",
        "  freed or never allocated address in a vmalloc range",
      ],
      "stack-guard": ["page fault: write at 0x", overflow],
      "write-read-only": ["page fault: write at 0x", "  kernel image: constants"],
      "execute-data": [
        "page fault: execute at \(address(start)), not permitted", "  inside \(named) 0x0, \(owner)",
      ],
      "linear-map-hole": [
        "page fault: read at \(address(linear)), not mapped",
        "  linear map: no RAM, or reserved, at physical 0x0",
      ],
      "image-alias": [
        "page fault: write at \(address(linear + image)), not mapped",
        "  linear map: no RAM, or reserved, at physical \(hex(image))",
      ],
      "window-alias": [
        "page fault: write at \(address(window + image)), not mapped",
        "  object window: no RAM, or reserved, at physical \(hex(image))",
      ],
    ]
    return cases.map { name, lines in Self(name: name, lines: lines + [registers[name]].compactMap(\.self)) }
  }

  /// Overflows of a stack, where they are page faults like others; the larger one has frames of five pages,
  /// each touched at its lowest word alone.
  static func overflows(registers: String? = nil) -> [Self] {
    let lines = ["page fault: write at 0x", overflow]
    return [
      Self(name: "stack-overflow", lines: lines + [registers].compactMap(\.self)),
      Self(name: "stack-overflow-large", lines: lines),
    ]
  }

  private static let overflow = "  stack guard: the kernel's stack has overflowed"

  private static func hex(_ number: UInt64) -> String { "0x" + String(number, radix: 16) }

  private static func address(_ address: UInt64) -> String {
    let digits = String(address, radix: 16)
    return "0x" + String(repeating: "0", count: 16 - digits.count) + digits
  }
}
