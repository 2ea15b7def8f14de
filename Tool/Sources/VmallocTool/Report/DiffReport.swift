import LinuxMemory

/// All that `diff` has to say about two lists, before a format is chosen.
struct DiffReport {
  let old: Snapshot
  let new: Snapshot
  let difference: SnapshotDifference
  /// The rows of /proc/allocinfo, where both texts have no areas but these.
  let allocations: AllocationDiff?
  let oldSummary: Summary
  let newSummary: Summary
  /// Owners that changed, largest growth first.
  let changed: [OwnerChange]

  init(_ old: Snapshot, _ new: Snapshot, matching: Matching?) {
    self.old = old
    self.new = new
    let difference = SnapshotDifference(old, new, matching: matching)
    self.difference = difference
    let hasAreas = old.areaCount + new.areaCount > 0
    allocations =
      hasAreas || old.allocinfo.isEmpty || new.allocinfo.isEmpty
      ? nil : AllocationDiff(old.allocinfo, new.allocinfo)
    let (a, b) = (Summary(old, AreaFilter()), Summary(new, AreaFilter()))
    oldSummary = a
    newSummary = b
    changed = difference.owners.filter(Self.isChanged).sorted {
      Self.order($0, a, b) != Self.order($1, a, b)
        ? Self.order($0, a, b) > Self.order($1, a, b) : ($0.name, $0.module) < ($1.name, $1.module)
    }
  }

  private static func isChanged(_ owner: OwnerChange) -> Bool {
    owner.before != owner.after || owner.appeared + owner.vanished + owner.moved > 0
  }

  private static func order(_ owner: OwnerChange, _ old: Summary, _ new: Summary) -> (Int64, Int64, Int) {
    (
      growth(old.bytes(of: owner.before), new.bytes(of: owner.after)),
      growth(owner.before.space, owner.after.space),
      owner.after.areas - owner.before.areas
    )
  }

  /// A difference that stays in range whatever the sums are.
  static func growth(_ before: UInt64, _ after: UInt64) -> Int64 {
    after >= before ? Int64(clamping: after - before) : -Int64(clamping: before - after)
  }

  func pageGrowth(_ owner: OwnerChange) -> Int64 {
    Self.growth(oldSummary.bytes(of: owner.before), newSummary.bytes(of: owner.after))
  }

  func spaceGrowth(_ owner: OwnerChange) -> Int64 { Self.growth(owner.before.space, owner.after.space) }

  /// How much the memory of all owners grew.
  var totalGrowth: Int64 { Self.growth(oldSummary.pageBytes, newSummary.pageBytes) }

  /// An owner that may leak, and why it is thought so.
  struct Suspect {
    var owner: OwnerChange
    var reason: String
  }

  /// Owners that grew and gave nothing back, most suspicious first. An owner that only changed its size is
  /// none.
  var suspects: [Suspect] {
    changed.compactMap { owner in
      let growth = pageGrowth(owner)
      guard !owner.hasNoOwner, growth > 0, owner.after.areas - owner.renamed > owner.before.areas else {
        return nil
      }
      if owner.before.areas == 0 {
        return Suspect(
          owner: owner,
          reason: "new: \(Summary.areas(owner.after.areas)), \(Sizes.human(UInt64(growth))) of pages")
      }
      let more = "\(Summary.areas(owner.after.areas - owner.before.areas)) more than before"
      if difference.matching == .addresses {
        if owner.vanished == 0 {
          return Suspect(owner: owner, reason: "\(more), and none was freed in between")
        }
        return Suspect(owner: owner, reason: "\(more); \(owner.appeared) came and \(owner.vanished) went")
      }
      return Suspect(owner: owner, reason: "\(more); the boots differ, so that this can be another load")
    }
  }

  var advice: [Advice] {
    var found = [lostSpread(new)].compactMap { $0 }
    let (before, after) = (HashSpread(old), HashSpread(new))
    if before.bytes > 0, after.bytes > 0, before.largestShare < 0.75, after.largestShare > 0.95 {
      found = [
        Advice(
          kind: "hash-tables-lost-spread",
          text:
            "The system's hash tables were spread over nodes and lie on node \(after.largestNode) alone now: "
            + "\(Sizes.share(UInt64(after.largestShare * 100), of: 100)) of them, \(Sizes.share(UInt64(before.largestShare * 100), of: 100)) "
            + "before.")
      ]
    }
    if let first = difference.renamed.first {
      found.append(
        Advice(
          kind: "caller-changed-module",
          text:
            "\(Summary.areas(difference.renamed.count)) have another caller at the same addresses, first at "
            + "0x\(String(first.start, radix: 16)): \(first.before.text) before, \(first.after.text) now. Names are looked "
            + "up when the list is read: the module that asked was unloaded, and another lies in its place."))
    }
    let jit = changed.filter { JITMemory.isOwner($0.name) }.reduce(Int64(0)) { $0 &+ pageGrowth($1) }
    if jit > 1 << 20 {
      found.append(
        Advice(
          kind: "bpf-jit-growth",
          text:
            "Compiled BPF programs grew by \(Sizes.human(UInt64(jit))): net.core.bpf_jit_limit bounds them."))
    }
    return found
  }
}
