import BareMetal
import KernelMemory
import RuntimeHeap

/// Pairs of kmalloc, of kvmalloc and of Swift's runtime: an allocation, a byte or a field written, a free.
/// Their usual way touches no page table and no flush, whatever the mode; so they are measured in one mode.
struct KmallocPairs {
  let manager: MemoryManager

  private static var pairs: UInt64 { 100_000 }

  func measure() throws(MemoryError) {
    try measure("kmalloc_64") { () throws(MemoryError) in try pair(64) }
    try measure("kmalloc_4K") { () throws(MemoryError) in try pair(4 << 10) }
    try measure("kmalloc_64K") { () throws(MemoryError) in try pair(64 << 10) }
    try measure("kvmalloc_64K") { () throws(MemoryError) in
      let memory = unsafe try manager.kvmalloc(64 << 10)
      unsafe memory.storeBytes(of: 1, as: UInt8.self)
      unsafe try manager.kvfree(memory)
    }
    try measureClass()
  }

  /// An object that outlives the function which makes it, so that it comes from the heap.
  private func measureClass() throws(MemoryError) {
    let before = RuntimeHeap.current?.usage.allocations ?? 0
    var number = 0
    try measure("swift_class") { () throws(MemoryError) in
      number += 1
      release(make(number))
    }
    let allocations = (RuntimeHeap.current?.usage.allocations ?? 0) - before
    guard allocations == Self.pairs + Self.pairs / 100 else {
      panic("the objects of the bench do not come from the heap")
    }
  }

  @inline(never)
  private func make(_ number: Int) -> BenchObject { BenchObject(number) }

  @inline(never)
  private func release(_ object: consuming BenchObject) { _ = consume object }

  @inline(__always)
  private func pair(_ byteCount: Int) throws(MemoryError) {
    let memory = unsafe try manager.kmalloc(byteCount)
    unsafe memory.storeBytes(of: 1, as: UInt8.self)
    unsafe try manager.kfree(memory)
  }

  /// The usual pair: what a hundredth of the pairs before it have put into this CPU's caches.
  @inline(__always)
  private func measure(
    _ name: StaticString, _ body: () throws(MemoryError) -> Void
  ) throws(MemoryError) {
    for _ in 0..<Self.pairs / 100 { try body() }
    let start = Platform.instructions
    for _ in 0..<Self.pairs { try body() }
    Row(name).write(rounding(Platform.instructions &- start, over: Self.pairs))
  }
}

/// As small as a class with one field is.
private final class BenchObject {
  let number: Int
  init(_ number: Int) { self.number = number }
}
