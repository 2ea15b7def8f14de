#if !arch(x86_64) || !hasFeature(Embedded)

internal import CMachine

/// Calls `body` with the address, and the count of pages, of each range that is to be flushed. The end of one
/// that reaches to the top of the address space is zero.
@unsafe @inline(__always)
func forEachRange(
  _ ranges: UnsafePointer<cmachine_range>, _ count: Int, pageShift: UInt, _ body: (UInt, UInt) -> Void
) {
  for index in 0..<count {
    let (start, end) = unsafe (ranges[index].start, ranges[index].end)
    body(start, (end &- start) &>> pageShift)
  }
}

#endif
