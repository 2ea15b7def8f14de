/// What frees leave to be done later is measured in pages of work: what clearing and freeing a page takes,
/// some 200 instructions.
enum Work {
  /// The default of a purge step: some 20,000 instructions, which an idle loop may spend with interrupts off.
  static let step = 96
  /// What an allocation over its bound does: a third of a step, so that no call pays for many others.
  static let reap = 32
  /// How much of what is flushed one call completes on its way, when it needs what is in it: 12 frames, or 12
  /// areas, take some 500 instructions.
  static let share = 12
  /// To free a frame that has no neighbour with it.
  static let frame = 3
  /// To free a node of the index: their frames are seldom neighbours.
  static let node = 4
  /// To quarantine a table, and to free it.
  static let table = 8
  /// To let go of an area's tables.
  static let unpin = 2
  /// To take an area out of the warm cache, besides its clearing.
  static let evict = 4

  /// To give an area's addresses back: most of it once, the slots of the index by a few instructions each.
  static func release(_ span: UInt64) -> Int { 12 &+ Int(truncatingIfNeeded: min(span, 4096) / 32) }

  /// How many things of some cost there is work left for; one where any is left.
  static func share(of left: Int, _ cost: Int) -> Int { left > 0 ? max(1, left / cost) : 0 }
}
