extension Snapshot {
  /// The line that a kernel prints for an area; it reads back as the same area.
  public func line(of area: Area) -> String {
    var words = [addresses(of: area)]
    words.append(Self.padded(area.size ?? area.space, 7))
    let caller = callers[area.caller]
    if !caller.symbol.isEmpty { words.append(caller.symbol + caller.offset) }
    if !caller.module.isEmpty { words.append("[\(caller.module)]") }
    if let pages = area.pages { words.append("pages=\(pages)") }
    if let physical = area.physical { words.append("phys=0x" + Self.hexadecimal(physical, 16)) }
    words += Self.words(of: area.flags)
    area.nodes.forEach { node, pages in words.append("N\(node)=\(pages)") }
    words += area.unknownWords
    return words.joined(separator: " ")
  }

  private func addresses(of area: Area) -> String {
    switch area.addresses {
    case .hidden: return "0x(____ptrval____)-0x(____ptrval____)"
    case .absent: return "..."
    case .real, .hashed, .zero:
      let digits = max(area.start, area.end) >> 32 == 0 && area.addresses == .real ? 8 : 16
      return "0x\(Self.hexadecimal(area.start, digits))-0x\(Self.hexadecimal(area.end, digits))"
    }
  }

  private static func words(of flags: AreaFlags) -> [String] {
    var words: [String] = []
    if flags.contains(.freeing) {
      words.append("freeing vm_area")
    } else if flags.contains(.unpurged) {
      words.append("unpurged vm_area")
    }
    let names: [(AreaFlags, String)] = [
      (.ioremap, "ioremap"), (.vmalloc, "vmalloc"), (.vmap, "vmap"), (.user, "user"),
      (.dmaCoherent, "dma-coherent"), (.vpages, "vpages"), (.mapRAM, "vm_map_ram"),
    ]
    return words + names.filter { flags.contains($0.0) }.map(\.1)
  }

  static func hexadecimal(_ value: UInt64, _ digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }

  private static func padded(_ value: UInt64, _ width: Int) -> String {
    let text = String(value)
    return String(repeating: " ", count: max(0, width - text.count)) + text
  }
}
