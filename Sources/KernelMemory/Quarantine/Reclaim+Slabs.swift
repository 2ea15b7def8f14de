// Frames of slabs, which no page table leads to, on their way back.
//
// What they wait for is not that translations are gone, but that CPUs have passed which were at work in the
// slab (Slab.swift). They go into the open batch all the same: a flush is passed outside the package alone,
// so it proves both. Where nothing else asks for one, a batch of slabs has one requested that flushes
// nothing.

extension Reclaim {
  /// Frames in the open batch from which on an emptied slab has the batch closed: a request, and an interrupt
  /// for every CPU, for 256 KiB with 4 KiB frames.
  static let slabFrames = 64

  /// Puts the frames of a slab, none of whose objects is out, into the open batch. O(1).
  func retire(slab block: UInt32, order: Int, _ cpu: borrowing CPU) {
    let metadata = frames.table[block]
    metadata.value.setState(FrameState(.retired, order: order, zone: metadata.value.state.zone))
    let batch = openBatch(cpu)
    batch.value.frames.append(block, order: order, frames.table)
    batch.value.generation = shootdown.newest
  }

  /// Moves slabs that were retired on, with no lock held: frees a share of what is flushed, and has more
  /// flushed. Never waits.
  func passOnSlabs(_ cpu: borrowing CPU) {
    guard openBatch(cpu).value.frames.count >= Self.slabFrames else { return }
    seal(cpu)
    completeFrames(limit: Self.share, pages: Self.slabFrames, cpu)
  }
}
