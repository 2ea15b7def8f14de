import BareMetal
import KernelMemory

/// What lies at a virtual address, in the terms of whoever has to find the mistake.
enum Place {
  /// In page zero, which is never mapped.
  case null
  case stackGuard
  case image(Protection)
  /// In a live area.
  case area(Area)
  /// In the guard behind a live area.
  case guardPage(Area)
  /// In a range that areas come from, where none is live.
  case unallocated
  /// Where the linear map has, or would have, this physical address.
  case linearMap(PhysicalAddress)
  /// Where the object window has, or would have, this physical address.
  case objectWindow(PhysicalAddress)
  case elsewhere

  init(of address: VirtualAddress) {
    let page = address.number(Platform.pageSize)
    if AddressSpace.nullPage.contains(page) {
      self = .null
    } else if Image.isStackGuard(page) {
      self = .stackGuard
    } else if let part = Image.part(containing: page) {
      self = .image(part.protection)
    } else if let area = Memory.manager?.area(containing: address) {
      self = area.guardRange.contains(page) ? .guardPage(area) : .area(area)
    } else if let manager = Memory.manager, manager.contains(address) {
      self = .unallocated
    } else if let physical = AddressSpace.physicalAddress(of: address, in: AddressSpace.linearMap) {
      self = .linearMap(physical)
    } else if let physical = AddressSpace.physicalAddress(of: address, in: AddressSpace.objectWindow) {
      self = .objectWindow(physical)
    } else {
      self = .elsewhere
    }
  }

  /// Writes a phrase about `address`, which lies here.
  func write(_ address: VirtualAddress, to console: inout SerialPort) {
    switch self {
    case .null: console.write("null dereference: page zero is never mapped")
    case .stackGuard: console.write("stack guard: the kernel's stack has overflowed")
    case .image(let protection):
      console.write("kernel image: ")
      console.write(Self.use(of: protection))
    case .area(let area): Self.write("inside area ", area, address, to: &console)
    case .guardPage(let area): Self.write("guard page behind area ", area, address, to: &console)
    case .unallocated: console.write("freed or never allocated address in a vmalloc range")
    case .linearMap(let physical):
      console.write("linear map: no RAM, or reserved, at physical 0x")
      console.write(hex: physical.rawValue)
    case .objectWindow(let physical):
      console.write("object window: no RAM, or reserved, at physical 0x")
      console.write(hex: physical.rawValue)
    case .elsewhere: console.write("nothing is ever mapped there")
    }
  }

  private static func use(of protection: Protection) -> StaticString {
    switch protection {
    case .readExecute, .writableExecutable: "code"
    case .readOnly: "constants"
    case .readWrite: "data"
    }
  }

  private static func write(
    _ relation: StaticString, _ area: Area, _ address: VirtualAddress, to console: inout SerialPort
  ) {
    console.write(relation)
    console.write("0x")
    console.write(hex: area.address.rawValue, width: 16)
    console.write(" of ")
    console.write(decimal: area.byteCount)
    console.write(" bytes, offset 0x")
    console.write(hex: address.rawValue &- area.address.rawValue)
    console.write(", allocated by \"")
    Memory.manager?.writeName(of: area.tag, to: &console)
    console.write("\"")
  }
}
