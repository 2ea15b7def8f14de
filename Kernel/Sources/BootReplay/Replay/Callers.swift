// Callers
//
// An area is charged to the task that asked for it: the name of the task becomes the tag, and so the
// caller's column of the listing. Tags are few. When there are no more, further tasks share one that was
// made first for that purpose; in the tables of this report they still stand alone. Only behind
// thousands of names do they share that too.

internal import KernelMemory

/// Gives tasks their tags.
struct Callers {
  private let manager: MemoryManager
  private let sharedTag: Tag
  private var sharedSlot: Int?
  /// Tasks whose areas are charged to the shared tag.
  private(set) var sharing: UInt64 = 0

  private static var sharedName: StaticString { "(other-tasks)" }

  init(_ manager: MemoryManager) {
    self.manager = manager
    sharedTag = (try? manager.makeTag(named: Self.sharedName)) ?? .untagged
  }

  /// The slot of the task of this name; it has a tag.
  mutating func slot(of name: TraceText, in tasks: inout ProbeTable<TaskEntry>) -> Int {
    if let slot = tasks.find(TaskEntry.key(of: name), where: { $0.name.isEqual(to: name) }) { return slot }
    if tasks.count + 1 < tasks.capacity, let slot = tasks.insert(TaskEntry(name, tag: tag(of: name))) {
      return slot
    }
    if let sharedSlot { return sharedSlot }
    let slot = tasks.insert(TaskEntry(TraceText(Self.sharedName), tag: sharedTag)) ?? 0
    sharedSlot = slot
    return slot
  }

  private mutating func tag(of name: TraceText) -> Tag {
    do {
      return try unsafe name.withUTF8 { (utf8) throws(MemoryError) in
        try unsafe manager.makeTag(copying: utf8)
      }
    } catch {
      sharing += 1
      return sharedTag
    }
  }
}
