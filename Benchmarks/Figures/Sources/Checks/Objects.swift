/// What functions of compiled code refer to, from what `llvm-objdump --reloc` prints. Each function has a
/// section of its own, named after it.
public struct References {
  /// The symbols that each function refers to.
  private var symbols: [Substring: Set<Substring>] = [:]

  /// A kernel defines no such symbol: what drops retired memory refers to it.
  public static let dropped: Substring = "cmachine_dropped_memory"

  public init(relocations text: String) {
    var function: Substring?
    for line in text.split(separator: "\n") {
      if line.hasPrefix("RELOCATION RECORDS FOR [") {
        let section = line.dropFirst("RELOCATION RECORDS FOR [".count).dropLast("]:".count)
        function = section.hasPrefix(".text.") ? section.dropFirst(".text.".count) : nil
        continue
      }
      let fields = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
      guard let function, fields.count == 3, fields[0] != "OFFSET", !fields[2].hasPrefix("*ABS*") else {
        continue
      }
      let addend = fields[2].firstRange(of: "+0x") ?? fields[2].firstRange(of: "-0x")
      symbols[function, default: []].insert(addend.map { fields[2][..<$0.lowerBound] } ?? fields[2])
    }
  }

  /// The deinits that refer to the symbol of dropped memory and to nothing else: a public type has one,
  /// whether or not anything drops it.
  public var guards: Set<Substring> {
    Set(symbols.filter { $0.key.hasSuffix("fD") && $0.value == [Self.dropped] }.keys)
  }

  /// The functions that call such a deinit, or have it inlined.
  public var droppers: [Substring] {
    let guards = guards
    let wanted = guards.union([Self.dropped])
    return symbols.filter { !guards.contains($0.key) && !$0.value.isDisjoint(with: wanted) }.keys.sorted()
  }
}

/// What `llvm-nm` prints.
public enum Symbols {
  /// The functions among symbols that are defined and strong, for which a linker has to keep what they need.
  public static func functions(_ text: String) -> [Substring] {
    text.split(separator: "\n").compactMap { line in
      let fields = line.split(separator: " ")
      return fields.count == 3 && fields[1] == "T" ? fields[2] : nil
    }
  }

  /// Those of mistakes that tests plant (the package trait `Ablations`).
  public static func traces(_ text: String) -> [String] {
    text.split(separator: "\n").filter { $0.contains("blation") && $0.contains(" ") }.map(String.init)
  }
}
