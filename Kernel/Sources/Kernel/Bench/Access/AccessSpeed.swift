import BareMetal
import KernelMemory

// What leaves of 2 MiB save who uses the memory: page-table walks. QEMU has no TLB like a CPU's, and no
// counter of walks that a guest can read. So the memory is mapped for real, with leaves of one size and then
// of the other, and read at random addresses through these mappings; for each read the leaf is looked up in
// the real tables, and given to a model of a CPU's TLBs (TranslationModel.swift), which counts. These are
// counts of a model, then, for real tables; what a walk costs depends on where its entries are cached, and is
// not said.

/// Counts walks for random reads over 64 MiB and over 1 GiB.
struct AccessSpeed {
  let manager: MemoryManager

  /// As many before the count begins, to fill what can be filled.
  private static var reads: Int { 200_000 }

  /// - Returns: whether every read found what was written there.
  func measure() throws(MemoryError) -> Bool {
    var isRight = try measure("access_64M_4K", megabytes: 64, order: 0)
    isRight = try measure("access_64M_2M", megabytes: 64, order: 9) && isRight
    isRight = try measure("access_1G_4K", megabytes: 1024, order: 0) && isRight
    return try measure("access_1G_2M", megabytes: 1024, order: 9) && isRight
  }

  /// - Parameters:
  ///   - name: of the rows.
  ///   - megabytes: how much memory.
  ///   - order: log2 of the pages of a leaf.
  private func measure(_ name: StaticString, megabytes: UInt64, order: Int) throws(MemoryError) -> Bool {
    let memory = try MappedMemory(pages: megabytes << 8, order: order, on: manager)
    let model = try TranslationModel(on: manager)
    var random = RandomNumbers(seed: 64)
    var wrong = memory.read(Self.reads, &random, model)
    let before = model.counts
    wrong += memory.read(Self.reads, &random, model)
    let counts = model.counts.since(before)
    write(name, "_misses", counts.firstMisses)
    write(name, "_walks", counts.walks)
    write(name, "_loads", counts.tableLoads)
    try model.end()
    try memory.end()
    guard wrong > 0 else { return true }
    var console = SerialPort.console
    console.write("reads that found something else than what was written: ")
    console.write(decimal: wrong)
    console.newline()
    return false
  }

  /// For a thousand reads.
  private func write(_ name: StaticString, _ detail: StaticString, _ count: UInt64) {
    Row(name, detail).write(hundredths: rounding(count * 100_000, over: UInt64(Self.reads)))
  }
}
