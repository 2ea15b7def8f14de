import CMachine
import MachineSimulator
import Testing

@testable import KernelMemory
@testable import TestSupport

/// What a kernel can forget before it starts a manager has an error of its own.
@Suite struct StartCheckTests {
  private func start(
    cpu: UInt32 = 0, cpuCount: Int = 1, levels: PageTableFormatChoice.X86_64Levels = .four,
    cpuLevels: Int = 4, _ change: (inout Machine) -> Void = { _ in }
  ) throws -> (root: PhysicalAddress, error: MemoryError?) {
    var hardware = Hardware()
    hardware.pagingLevels = cpuLevels
    let simulated = try SimulatedMachine(ram: [.small], cpuCount: cpuCount, hardware: hardware)
    let bootstrap = try Bootstrap(
      memoryMap: simulated.memoryMap, window: simulated.linearMap, linearMap: simulated.linearMap,
      format: .x86_64(levels: levels, hasGigabyteLeaves: true))
    let root = bootstrap.root
    for number in 0..<cpuCount { try simulated.onCPU(number) { try simulated.loadRoot(root) } }
    var machine = simulated.machine
    change(&machine)
    cmachine_set_cpu_number(cpu)
    defer { cmachine_set_cpu_number(0) }
    do throws(MemoryError) {
      _ = try bootstrap.start(on: machine)
      return (root, nil)
    } catch {
      return (root, error)
    }
  }

  @Test func aCPUWhosePagingIsNotPreparedIsRefused() throws {
    let (_, error) = try start { $0.check = { _, _ in cmachine_paging_unprepared } }
    #expect(error == .pagingNotPrepared)
  }

  @Test func aCPUThatUsesOtherTablesIsRefused() throws {
    let (root, error) = try start { $0.check = { _, _ in cmachine_paging_other_root } }
    #expect(error == .rootNotLoaded(root))
  }

  /// As on x86-64, where CR4.LA57 says how many levels a CPU walks.
  @Test func aCPUThatTranslatesOtherAddressesIsRefused() throws {
    typealias Levels = PageTableFormatChoice.X86_64Levels
    for (format, cpu, bits) in [(Levels.four, 5, 48), (.five, 4, 57)] {
      #expect(try start(levels: format, cpuLevels: cpu).error == .addressWidthDiffers(formatBits: bits))
    }
    #expect(try start(levels: .five, cpuLevels: 5).error == nil)
  }

  /// The machine is asked about the root that was built.
  @Test func aCPUThatIsReadyStarts() throws {
    let (_, error) = try start {
      $0.check = { _, tables in
        tables.root % 4096 == 0 && tables.root != 0 && tables.address_bits == 48
          ? cmachine_paging_ready : cmachine_paging_other_root
      }
    }
    #expect(error == nil)
    #expect(try start().error == nil)
  }

  @Test(arguments: [1, 3] as [Int])
  func aNumberThatNoCPUHasIsRefused(_ count: Int) throws {
    for number in [UInt32(count), 77, .max] {
      let (_, error) = try start(cpu: number, cpuCount: count)
      #expect(error == .cpuNumberUnusable(Int(number), count: count))
    }
    // The first CPU need not be number zero.
    let (_, error) = try start(cpu: UInt32(count) - 1, cpuCount: count)
    #expect(error == nil)
  }

  /// Each wait for another CPU would be for ever.
  @Test func severalCPUsThatCannotBeNotifiedAreRefused() throws {
    #expect(try start(cpuCount: 2) { $0.notify = nil }.error == .notifyMissing)
    #expect(try start(cpuCount: 1) { $0.notify = nil }.error == nil)
  }

  @Test func eachSaysWhatIsWrong() {
    struct Text: TextSink {
      var bytes: [UInt8] = []
      mutating func write(_ byte: UInt8) { bytes.append(byte) }
    }
    func text(_ error: MemoryError) -> String {
      var sink = Text()
      sink.write(error)
      return String(decoding: sink.bytes, as: UTF8.self)
    }
    #expect(
      text(.linearMapMisaligned(VirtualAddress(0xffff_8880_0020_0000), multiple: 4 << 20))
        == "the linear map begins at 0xffff888000200000, which is no multiple of 4 MiB")
    #expect(
      text(.pagingNotPrepared)
        == "this CPU does not read page tables as they are written (PagingControls.prepare() is missing)")
    #expect(
      text(.addressWidthDiffers(formatBits: 57))
        == "this CPU does not translate addresses of the page-table format's 57 bits")
    #expect(
      text(.cacheTypeUnavailable(.writeThrough)) == "the page tables cannot ask for this type of memory")
    #expect(
      text(.rootNotLoaded(PhysicalAddress(0x1000)))
        == "this CPU does not use the tables below 0x0000000000001000")
    #expect(
      text(.threadPointerUnusable(VirtualAddress(0)))
        == "the thread pointer leads to no number of this CPU: 0x0000000000000000")
    #expect(text(.cpuNumberUnusable(77, count: 4)) == "this CPU says that it has number 77 of 4")
  }
}
