public import KernelMemory
public import LoaderText

extension DeviceTree {
  /// A range of physical addresses.
  public struct Range: Equatable, Sendable {
    public let start: PhysicalAddress
    public let byteCount: UInt64
  }

  private func node(_ isWanted: (Node) -> Bool) -> Node? {
    var nodes = nodes
    while let node = nodes.next() {
      if isWanted(node) { return node }
    }
    return nil
  }

  private var chosen: Node? { node { $0.depth == 1 && $0.name == "chosen" } }
}

// MARK: - What the loader chose

extension DeviceTree {
  /// The initial RAM disk, which the loader has put into memory; nil where it has none, or an empty one.
  public func initialDisk() throws(DeviceTreeError) -> Range? {
    guard let chosen, let start = chosen.property("linux,initrd-start"),
      let end = chosen.property("linux,initrd-end")
    else { return nil }
    guard let start = start.number, let end = end.number, start <= end else { throw .malformedInitialDisk }
    return start == end ? nil : Range(start: PhysicalAddress(start), byteCount: end - start)
  }

  /// The command line; one without words where there is none.
  public func commandLine() throws(DeviceTreeError) -> CommandLine {
    guard let text = chosen?.property("bootargs"), text.count > 0 else {
      return CommandLine(bytes.part(from: 0, count: 0).word)
    }
    guard text.u8(text.count - 1) == 0 else { throw .commandLineWithoutEnd }
    return CommandLine(text.part(from: 0, count: text.count - 1).word)
  }
}

// MARK: - CPUs

extension DeviceTree {
  /// How many CPUs there are, of which each says its number.
  public func cpuCount() throws(DeviceTreeError) -> Int {
    var nodes = nodes
    var count = 0
    while let node = nodes.next() {
      guard Self.isCPU(node) else { continue }
      guard let number = Self.number(of: node), !isCPU(number, before: count) else { throw .malformedCPUs }
      count += 1
    }
    guard count > 0 else { throw .malformedCPUs }
    return count
  }

  /// The number by which hardware knows a CPU: the affinity in its MPIDR, or a hart's ID. `index` counts from
  /// zero in the tree's order; nil behind the last one.
  public func cpu(_ index: Int) -> UInt64? {
    var nodes = nodes
    var left = index
    while let node = nodes.next() {
      guard Self.isCPU(node) else { continue }
      if left == 0 { return Self.number(of: node) }
      left -= 1
    }
    return nil
  }

  /// Counts of the harts' real-time counter in a second, of RISC-V; nil where the tree does not say.
  public var timebaseFrequency: UInt64? {
    node { $0.depth == 1 && $0.name == "cpus" }?.property("timebase-frequency")?.number
  }

  /// Whether all harts, of RISC-V, have an extension, whose name has more than one letter.
  public func everyHart(has name: StaticString) -> Bool {
    var (nodes, isAny) = (nodes, false)
    while let node = nodes.next() {
      if !Self.isCPU(node) { continue }
      guard Self.hart(node, has: name) else { return false }
      isAny = true
    }
    return isAny
  }

  /// By `riscv,isa-extensions`, or, in older trees, by `riscv,isa`, as `rv64imac_zicsr_sstc`.
  private static func hart(_ node: Node, has name: StaticString) -> Bool {
    if let names = node.property("riscv,isa-extensions") { return names.lists(name) }
    return node.property("riscv,isa")?.lists(name, separator: UInt8(ascii: "_")) ?? false
  }

  /// One that firmware has found broken is none.
  private static func isCPU(_ node: Node) -> Bool {
    node.depth == 2 && node.isOfType("cpu") && !(node.property("status")?.lists("fail") ?? false)
  }

  private static func number(of node: Node) -> UInt64? {
    guard 1...2 ~= node.cells.address else { return nil }
    return node.property("reg")?.number(cell: 0, cells: node.cells.address)
  }

  private func isCPU(_ number: UInt64, before count: Int) -> Bool {
    for index in 0..<count where cpu(index) == number { return true }
    return false
  }
}

// MARK: - Devices

extension DeviceTree {
  /// A range of the registers of the first device that is compatible with `name`; nil where there is none.
  /// Devices behind a bus that translates addresses are not found by their physical ones.
  public func device(_ name: StaticString, range index: Int = 0) -> Range? {
    guard let range = node({ $0.isCompatible(name) })?.range(UInt32(truncatingIfNeeded: index)) else {
      return nil
    }
    return Range(start: PhysicalAddress(range.start), byteCount: range.byteCount)
  }

  /// Whether a property of the first device that is compatible with `name` lists `text`.
  public func device(_ name: StaticString, property: StaticString, lists text: StaticString) -> Bool {
    node { $0.isCompatible(name) }?.property(property)?.lists(text) ?? false
  }
}
