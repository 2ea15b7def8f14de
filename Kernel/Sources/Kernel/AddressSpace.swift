import BareMetal
import KernelMemory

// What lies where, before the switch to the kernel's own tables and after:
//
//     0000_0000_0000_0000   page zero: never mapped, so that a null pointer faults
//     0000_0000_0010_0000   the image, where it was loaded (x86_64.ld says why it stays low)
//     0000_2000_0000_0000   stacks and blocks of the other CPUs
//     0000_4000_0000_0000   the object window: all RAM once more, for Swift's objects
//     ffff_8880_0000_0000   the linear map: all RAM
//     ffff_c900_0000_0000   the vmalloc range: 32 TiB
//     ffff_ea00_0000_0000   a range of 16 pages, to have addresses run short (ShortRange.swift)
//     ffff_eb00_0000_0000   a range of 4 GiB, to be filled (Growth+Addresses.swift)
//     ffff_fe00_0000_0000   the job's own tables (Job.swift); in a bench, memory to read (MappedMemory.swift)
//     ffff_ff00_0000_0000   registers of devices: the local APIC
//
// With five levels of tables the linear map is at ff11_0000_0000_0000 and the vmalloc range at
// ffa0_0000_0000_0000, where Linux has them (Documentation/arch/x86/x86_64/mm.rst): beyond what four levels
// translate. The range of 16 pages moves with the latter, all else stays. With three (Sv39) each half has
// 256 GiB, and all is nearer together:
//
//     0000_0008_0000_0000   stacks and blocks of the other CPUs
//     0000_0010_0000_0000   the object window: 120 GiB
//     ffff_ffc8_0000_0000   the vmalloc range: 64 GiB (Linux, Documentation/arch/riscv/vm-layout.rst)
//     ffff_ffd8_0000_0000   the linear map: 120 GiB
//     ffff_fff8_0000_0000   the range of 16 pages
//     ffff_fff9_0000_0000   the range of 4 GiB
//     ffff_fffc_0000_0000   the job's own tables: 8 GiB
//
// With `layout=identity` nothing is in the upper half, and memory is at its own addresses: the linear map is
// the identity map, Swift's objects lie there, too, and page zero is not mapped, since frame zero is
// nobody's. All else is above it, with four and five levels
//
//     0000_1000_0000_0000   stacks and blocks of the other CPUs
//     0000_2000_0000_0000   the vmalloc range, and the others 33 TiB and more behind its beginning
//
// and with three levels from 64 GiB on.
//
// Before the switch, the first 4 GiB of physical memory are mapped at their own addresses, and nothing
// else.

/// The kernel's address space.
enum AddressSpace {
  static var nullPage: PageRange { PageRange(from: PageNumber(0), upTo: PageNumber(1)) }

  /// What boot.S maps, each address to itself.
  static var window: LinearMap {
    LinearMap(base: VirtualAddress(0), limit: PhysicalAddress(4 << 30), pageSize: Platform.pageSize)
  }

  /// Reaches up to the next of the ranges above it, but for an unmapped gap.
  static var linearMap: LinearMap {
    LinearMap(
      base: VirtualAddress(layout.linearMap), limit: PhysicalAddress(layout.reach),
      pageSize: Platform.pageSize)
  }

  /// Whether all is in the lower half, and memory at its own addresses. Set once, before there are tables.
  nonisolated(unsafe) private(set) static var isIdentity = false
  static func mapMemoryToItself() { unsafe isIdentity = true }

  private static var layout: Layout {
    guard unsafe isIdentity else { return Platform.layout }
    return Platform.layout.vmallocBytes < 32 << 40 ? .identityOfThreeLevels : .identity
  }

  /// As far as the linear map goes, and the lower half with it. No address has bit 63 set, which Swift's
  /// objects need (RuntimeHeap).
  static var objectWindow: LinearMap {
    LinearMap(
      base: VirtualAddress(layout.objectWindow), limit: linearMap.limit,
      pageSize: Platform.pageSize)
  }

  static var vmallocRange: PageRange {
    range(at: layout.vmalloc, byteCount: layout.vmallocBytes)
  }

  /// For areas of one page and its guard: eight of them, and no more. Not far behind the vmalloc range, from
  /// whose first page the places of areas are counted (CheckedArea).
  static var shortRange: PageRange {
    range(at: layout.short, byteCount: 16 * Platform.pageSize.bytes)
  }

  /// For half a million areas of one page and its guard.
  static var growthRange: PageRange { range(at: layout.growth, byteCount: 4 << 30) }

  /// The same, as two ranges.
  static var growthHalves: (PageRange, PageRange) {
    (
      range(at: layout.growth, byteCount: 2 << 30),
      range(at: layout.growth + 2 << 30, byteCount: 2 << 30)
    )
  }

  /// For the tables of the job, or the memory of a bench, which are mapped by hand.
  static var jobRange: PageRange { range(at: layout.job, byteCount: layout.jobBytes) }

  /// For the stacks and blocks of the other CPUs: more than the 255 of them can need. With bit 63 clear,
  /// because the compiler puts an object that does not outlive its function on the stack, and there, too,
  /// Swift takes one with bit 63 set for one that never ends: its deinit would not run.
  static var processorRange: PageRange { range(at: layout.processors, byteCount: 1 << 30) }

  /// For the registers of devices.
  static var devices: PageRange { range(at: layout.devices, byteCount: 1 << 30) }

  /// The physical address that a map of RAM has at `address`, or nil outside it.
  static func physicalAddress(of address: VirtualAddress, in map: LinearMap) -> PhysicalAddress? {
    guard let offset = address.distance(from: map.base), offset < map.limit.rawValue else { return nil }
    return PhysicalAddress(offset)
  }

  /// The pages by which a map of RAM reaches a run of physical memory that begins and ends with a page.
  static func alias(
    of memory: (start: PhysicalAddress, byteCount: UInt64), in map: LinearMap
  ) -> PageRange {
    range(at: map.virtualAddress(of: memory.start).rawValue, byteCount: memory.byteCount)
  }

  static func range(at start: UInt64, byteCount: UInt64) -> PageRange {
    PageRange(
      from: VirtualAddress(start).number(Platform.pageSize),
      upTo: VirtualAddress(start + byteCount).number(Platform.pageSize))
  }
}

// MARK: - Layouts

extension AddressSpace {
  /// Where the ranges begin, each at a multiple of the largest leaf, and how far those reach that an address
  /// space of few bits has less room for.
  struct Layout {
    let linearMap: UInt64
    let objectWindow: UInt64
    /// How much physical memory these two reach.
    let reach: UInt64
    let vmalloc: UInt64
    let vmallocBytes: UInt64
    let processors: UInt64
    let short: UInt64
    let growth: UInt64
    let job: UInt64
    let jobBytes: UInt64
    var devices: UInt64 = 0xffff_ff00_0000_0000

    static var ofThreeLevels: Layout {
      Layout(
        linearMap: 0xffff_ffd8_0000_0000, objectWindow: 0x10_0000_0000, reach: 120 << 30,
        vmalloc: 0xffff_ffc8_0000_0000, vmallocBytes: 64 << 30, processors: 0x8_0000_0000,
        short: 0xffff_fff8_0000_0000, growth: 0xffff_fff9_0000_0000, job: 0xffff_fffc_0000_0000,
        jobBytes: 8 << 30)
    }

    static var ofFourLevels: Layout { wide(linearMap: 0xffff_8880_0000_0000, vmalloc: 0xffff_c900_0000_0000) }
    static var ofFiveLevels: Layout { wide(linearMap: 0xff11_0000_0000_0000, vmalloc: 0xffa0_0000_0000_0000) }

    static var identity: Layout {
      Layout(
        linearMap: 0, objectWindow: 0, reach: 16 << 40, vmalloc: 0x2000_0000_0000, vmallocBytes: 32 << 40,
        processors: 0x1000_0000_0000, short: 0x4100_0000_0000, growth: 0x4200_0000_0000,
        job: 0x4300_0000_0000, jobBytes: 512 << 30, devices: 0x4400_0000_0000)
    }

    static var identityOfThreeLevels: Layout {
      Layout(
        linearMap: 0, objectWindow: 0, reach: 64 << 30, vmalloc: 0x14_0000_0000, vmallocBytes: 64 << 30,
        processors: 0x10_0000_0000, short: 0x26_0000_0000, growth: 0x28_0000_0000, job: 0x30_0000_0000,
        jobBytes: 8 << 30, devices: 0x34_0000_0000)
    }

    private static func wide(linearMap: UInt64, vmalloc: UInt64) -> Layout {
      Layout(
        linearMap: linearMap, objectWindow: 0x4000_0000_0000, reach: 64 << 40, vmalloc: vmalloc,
        vmallocBytes: 32 << 40, processors: 0x2000_0000_0000, short: vmalloc + (33 << 40),
        growth: 0xffff_eb00_0000_0000, job: 0xffff_fe00_0000_0000, jobBytes: 512 << 30)
    }
  }
}
