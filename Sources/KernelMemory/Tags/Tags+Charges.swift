internal import Synchronization

// A CPU's record of what it has charged to one tag, which it alone writes.

extension Tags.Charges {
  @inline(__always)
  var isUnlimited: Bool { pass.load(ordering: .relaxed) <= 0xffff }
}

extension Stable<Tags.Charges> {
  /// Counts one more of a kind as allocated.
  @inline(__always)
  func count(_ kind: Tags.Kind, _ bytes: UInt64) {
    self[kind].bytesAllocated.bump(bytes)
    self[kind].allocated.bump(1)
  }

  func uncount(_ kind: Tags.Kind, _ bytes: UInt64) {
    self[kind].bytesAllocated.bump(0 &- bytes)
    self[kind].allocated.bump(.max)
  }

  /// Counts one of a kind as freed, and adds to the allowance. Stored with release: whoever reads the count
  /// also sees the credit that was added before.
  @inline(__always)
  func discharge(_ kind: Tags.Kind, _ bytes: UInt64) {
    self[kind].freed.bumpReleasing(1)
    value.allowance.bump(bytes)
    self[kind].bytesFreed.bumpReleasing(bytes)
  }

  /// The sums of one kind: they come first in a record, in the order of the kinds.
  @inline(__always)
  subscript(kind: Tags.Kind) -> Tags.Charges.Sums {
    @inline(__always) unsafeAddress {
      unsafe UnsafePointer(Stable<Tags.Charges.Sums>(bitPattern: address)[kind.rawValue].pointer)
    }
  }
}
