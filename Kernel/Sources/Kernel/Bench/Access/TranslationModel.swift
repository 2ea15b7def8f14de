import KernelMemory

// The TLBs of one CPU, as Intel describes those of Skylake clients (Optimization Reference Manual, order
// number 248966, "TLB parameters of the Skylake client microarchitecture"), for data:
//
//     first level    4 KiB leaves         64 entries, 4 ways
//                    2 MiB leaves         32 entries, 4 ways
//     second level   both                 1,536 entries, 12 ways
//
// A walk begins where the paging-structure caches leave off. Intel publishes no sizes of these. The model
// assumes that the two upper levels are always found there, and 32 entries of the third level (which lead
// to tables of 4 KiB leaves, 2 MiB of addresses each), in no sets. So a walk loads the leaf itself, and for a
// leaf of 4 KiB often the entry above. What is replaced is what was used longest ago, which is an
// assumption, too.

/// A model of a CPU's translation caches, which counts what they do not have.
@safe
struct TranslationModel {
  struct Counts {
    /// Translations that the first level did not have; of these, those that the second had not, either; and
    /// the entries that walks loaded.
    var firstMisses: UInt64 = 0
    var walks: UInt64 = 0
    var tableLoads: UInt64 = 0

    func since(_ earlier: Counts) -> Counts {
      Counts(
        firstMisses: firstMisses - earlier.firstMisses, walks: walks - earlier.walks,
        tableLoads: tableLoads - earlier.tableLoads)
    }
  }

  private let manager: MemoryManager
  private let small: AssociativeCache
  private let large: AssociativeCache
  private let second: AssociativeCache
  private let directories: AssociativeCache
  private let total: UnsafeMutablePointer<Counts>

  /// Starts with nothing cached.
  init(on manager: MemoryManager) throws(MemoryError) {
    self.manager = manager
    small = try AssociativeCache(sets: 16, ways: 4, on: manager)
    large = try AssociativeCache(sets: 8, ways: 4, on: manager)
    second = try AssociativeCache(sets: 128, ways: 12, on: manager)
    directories = try AssociativeCache(sets: 1, ways: 32, on: manager)
    let memory = unsafe try manager.vmalloc(MemoryLayout<Counts>.stride)
    unsafe total = memory.bindMemory(to: Counts.self, capacity: 1)
    unsafe total.initialize(to: Counts())
  }

  var counts: Counts { unsafe total.pointee }

  /// Translates an address that a leaf of 4 KiB or 2 MiB maps.
  func translate(_ address: VirtualAddress, leaf: PageCount) {
    let isLarge = leaf.rawValue > 1
    let number = isLarge ? address.rawValue >> 21 : address.rawValue >> 12
    if isLarge ? large.look(up: number) : small.look(up: number) { return }
    unsafe total.pointee.firstMisses += 1
    // The size is part of the key, above the bits that choose a set.
    if second.look(up: isLarge ? number | 1 << 62 : number) { return }
    unsafe total.pointee.walks += 1
    let hasDirectory = isLarge || directories.look(up: address.rawValue >> 21)
    unsafe total.pointee.tableLoads += hasDirectory ? 1 : 2
  }

  func end() throws(MemoryError) {
    try small.end()
    try large.end()
    try second.end()
    try directories.end()
    unsafe try manager.vfree(total)
  }
}
