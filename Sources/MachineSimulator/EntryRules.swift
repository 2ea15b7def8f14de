internal import KernelMemory

// Rules for stores to page-table entries that AArch64 has, and x86-64 and RISC-V have not.
//
// Break-before-make (Arm ARM, D8.16.1). A live entry may not become one that leads elsewhere, is of another
// size, of another type of memory, or global where it was not, but by way of an absent one and a flush: a TLB
// may come to hold both. Permissions may change. So each store is compared with what the entry was before;
// and where it was absent, with what CPUs still hold of its addresses.
//
// Barriers (D8.2.6). A table walk need not see a store before a DSB that the storing CPU has made since, or
// another one that has read the entry (B2.3.12: a DSB orders what its CPU has observed, too). So an entry
// that was absent is absent to all walks until then. Who announces a page has read the tables on the way to
// it.

extension SimulatedMachine {
  /// Whether each store to an entry is looked at, whatever else the machine does.
  var hasEntryRules: Bool { mmu.breaksBeforeMaking || hardware.entriesNeedBarriers }

  /// Notes a store to an entry, and judges it.
  /// - Parameters:
  ///   - bits: what was stored.
  ///   - first: the first address that the entry is for.
  func judgeStore(_ bits: UInt64, at address: UInt64, _ place: TablePlace, index: UInt64, first: UInt64) {
    let old = mmu.meaning(of: entries[address] ?? 0, level: place.level, index: index)
    let new = mmu.meaning(of: bits, level: place.level, index: index)
    entries[address] = bits
    if mmu.breaksBeforeMaking { judge(old, becoming: new, place, first: first) }
    if hardware.entriesNeedBarriers, case .absent = old, !new.isAbsent {
      memory.pendingEntries[address] = Self.currentCPU
    }
  }

  /// Takes what a table holds for what it held always.
  func noteEntries(of table: UInt64, level: Int) {
    guard hasEntryRules else { return }
    for index in 0..<mmu.entryCount(level: level) {
      let address = table &+ index &* 8
      entries[address] = memory.peek(address)
    }
  }

  /// A barrier of the calling CPU: walkers see what it has stored.
  func showEntries() {
    guard !memory.pendingEntries.isEmpty else { return }
    memory.pendingEntries = memory.pendingEntries.filter { $0.value != Self.currentCPU }
  }

  /// The same where the CPU has come to `first` to `last` by tables that others have linked.
  func showEntries(onTheWayTo first: UInt64, through last: UInt64) {
    showEntries()
    memory.pendingEntries = memory.pendingEntries.filter { address, _ in
      let table = address & ~mmu.pageSize.offsetMask
      guard let place = places[table], place.level > 1 else { return true }
      let start = firstAddress(place, (address &- table) / 8)
      return last < start || start | bits(from: 0, upTo: mmu.pageShift(level: place.level)) < first
    }
  }

  private func judge(_ old: Meaning, becoming new: Meaning, _ place: TablePlace, first: UInt64) {
    if new.isAbsent { return }
    guard old.isAbsent else {
      if !old.leads(where: new) {
        report(
          "an entry for 0x\(String(first, radix: 16)) was changed while it was in use", cpu: Self.currentCPU)
      }
      return
    }
    for cpu in cpus.indices where takesPart?(cpu) ?? true {
      if cpus[cpu].holds(otherThan: new, level: place.level, first: first) {
        report(
          "an entry for 0x\(String(first, radix: 16)) was made before the flush of the one that it was",
          cpu: cpu)
      }
    }
  }
}

extension Meaning {
  /// Whether it may become `other` while it is in use.
  fileprivate func leads(where other: Meaning) -> Bool {
    switch (self, other) {
    case (.table(let old), .table(let new)): old.address == new.address
    case (.page(let old), .page(let new)):
      old.address == new.address && old.memoryType == new.memoryType && old.isGlobal == new.isGlobal
        && old.runShift == new.runShift
    default: false
    }
  }
}

extension SimulatedCPU {
  /// Whether this CPU has something for the addresses of an entry that another MMU may not find there now.
  fileprivate func holds(otherThan new: Meaning, level: Int, first: UInt64) -> Bool {
    let shift = mmu.pageShift(level: level)
    let cached = cached(from: first, through: first | bits(from: 0, upTo: shift))
    switch new {
    case .page(let page):
      return cached.tables.contains { $0.level < level }
        || cached.leaves.contains { leaf in
          leaf.physicalAddress(of: first) != page.address || UInt64(leaf.shift) != page.runShift
            || leaf.memoryType != page.memoryType || leaf.isGlobal != page.isGlobal
        }
    case .table(let table):
      return cached.tables.contains { $0.level == level &- 1 && $0.table != table.address }
        || cached.leaves.contains { UInt64($0.shift) >= shift }
    case .absent, .wrong: return false
    }
  }
}
